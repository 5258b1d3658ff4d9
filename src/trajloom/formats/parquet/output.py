"""Writing a dataset as one Parquet file, or as a folder of them."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa

from trajloom import tables
from trajloom.errors import SettingsError
from trajloom.folder import Folder
from trajloom.formats import Part, Progress, Source, _aside, _place
from trajloom.formats.parquet import embedded
from trajloom.formats.parquet import plan as plans
from trajloom.formats.parquet.files import SUFFIX
from trajloom.formats.parquet.plan import Plan, Rows
from trajloom.formats.parquet.rows import ARROW, unpacked
from trajloom.parquet import ParquetFile

Shape = Literal["one", "episode"]


def write_files(
    source: Source, path: str, shape: Shape | None, overwrite: bool, progress: Progress | None, is_one: Any
) -> None:
    """Write a dataset; see `parquet.write`."""
    one = path.lower().rstrip("/").endswith(SUFFIX) if shape is None else shape == "one"
    if shape == "one" and Folder(path).fs.isdir(Folder(path).root):
        raise SettingsError(f"{path} is a folder; one file needs a file's name, such as data{SUFFIX}")
    plan = _plan(source, one, shape)
    if one:
        with _place.appearing_file(source, path, overwrite) as draft:
            _write(source, OneFile(draft, plan), plan, progress)
        return
    last = _last_name(source, plan)
    with _place.appearing_folder(source, path, overwrite, is_one, last) as draft:
        out = ByEpisode(draft, plan) if plan.layout is None or plan.layout["by"] == "file" else ByRows(draft, plan)
        _write(source, out, plan, progress)


def _plan(source: Source, one: bool, shape: Shape | None) -> Plan:
    found = plans.as_they_were(source)
    if found is not None and found.layout is not None and bool(found.layout["one"]) == one and shape is None:
        return replace(found, as_it_was=found.as_it_was and _has_its_rest(source, found))
    return plans.plain(source.header)


def _has_its_rest(source: Source, plan: Plan) -> bool:
    """Whether `rest` holds nothing but what becomes columns again."""
    for part in source.parts():
        for batch in part.rest():
            if batch.column("episode_index").null_count or set(batch.column("path").to_pylist()) - {
                *plan.rest.values()
            }:
                return False
    return True


def _write(source: Source, out: "OneFile", plan: Plan, progress: Progress | None) -> None:
    total, done = sum(part.num_episodes for part in source.parts()), 0
    with tempfile.TemporaryDirectory(prefix="trajloom-") as name:
        kept = Path(name) / _aside.FOLDER
        aside = None
        if not plan.as_it_was:
            aside = _aside.AsideWriter("parquet", source.header, kept, plan.read_as, copies=plan.copies)
        try:
            for part in source.parts():
                for rows in _runs(part, part.steps() if aside is None else aside.steps_of(part), plan):
                    out.write(rows)
                done += part.num_episodes
                if progress:
                    progress(done, total)
            if aside is not None:
                aside.finish(source.models())
            out.close(None if aside is None else kept)
        finally:
            if aside is not None:
                aside.close()
            out.abandon()


def _runs(part: Part, batches: Iterator[pa.RecordBatch], plan: Plan) -> Iterator[Rows]:
    """The rows of a part, of one episode at a time; an episode without steps has a run of none."""
    episodes = part.episodes().select(["episode_index", "name", "length", "success", "task"]).to_pylist()
    rest = _rest_of(part, plan)
    waiting = iter(episodes)
    row: dict[str, Any] = {}
    held: dict[str, pa.Array] = {}
    left = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            while not left:
                row = next(waiting)
                left = row["length"]
                if not left:
                    yield Rows(None, row, {})
                else:
                    held = _arrays(rest.pop(row["episode_index"], {}))
            piece = batch.slice(start, left)
            yield Rows(piece, row, held)
            start += piece.num_rows
            left -= piece.num_rows
    for row in waiting:
        yield Rows(None, row, {})


def _rest_of(part: Part, plan: Plan) -> dict[int, dict[str, bytes]]:
    wanted = set(plan.rest.values())
    found: dict[int, dict[str, bytes]] = {}
    for batch in part.rest() if wanted else ():
        for row in tables.rest_rows(batch):
            said = (row.attrs or {}).get("encoding")
            is_ours = isinstance(said, dict) and said.get("value") == ARROW
            if row.path in wanted and row.episode_index is not None and row.data is not None and is_ours:
                found.setdefault(row.episode_index, {})[row.path] = row.data
    return found


def _arrays(packed: Mapping[str, bytes]) -> dict[str, pa.Array]:
    return {path: unpacked(data, f"rest: {path}") for path, data in packed.items()}


# ---- files -----------------------------------------------------------------------------------------------------


class OneFile:
    """All rows in one file."""

    def __init__(self, path: Path, plan: Plan):
        self.path, self.plan = path, plan
        self.empty: list[int] = []
        """Which episodes, by their order, have no rows."""
        self.episodes = 0
        self._sink: Any = None
        self._file: ParquetFile | None = None
        self._length = 0
        self._metadata: Mapping[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self._open(self.path, 0)

    def write(self, rows: Rows) -> None:
        if rows.batch is None:
            self.empty.append(self.episodes)
        begins = rows.batch is None or rows.batch.column("frame_index")[0].as_py() == 0
        self.episodes += begins
        self._put(rows, begins)

    def close(self, kept: Path | None) -> None:
        """Finish; what is kept aside goes into the file that is open."""
        self._finish(kept)

    def abandon(self) -> None:
        """Let go of a file that was not finished."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _put(self, rows: Rows, begins: bool) -> None:
        assert self._file is not None
        if rows.batch is not None:
            self._file.write(plans.table(self.plan, rows))

    def _open(self, path: Path, number: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._metadata = _metadata(self.plan, number)
        self._sink = pa.OSFile(str(path), "wb")
        schema = self.plan.schema.with_metadata(self._metadata or None)
        self._file = ParquetFile(path, schema, self._sink, counted=True)

    def _finish(self, kept: Path | None) -> None:
        assert self._file is not None
        self._file.flush()
        said: dict[str, str] = {}
        if kept is not None or self.plan.layout is None:
            about: dict[str, Any] = {"version": embedded.VERSION, "roles": asdict(self.plan.roles)}
            if kept is not None:
                about.update(files=embedded.append(self._sink, kept), empty=self.empty)
            said = {"trajloom": json.dumps(about)}
        self._file.close(said)
        self._sink.close()
        self._sink = self._file = None


class ByEpisode(OneFile):
    """A folder with a file for each episode."""

    def _begin(self) -> None:
        self._taken: set[str] = set()

    def _put(self, rows: Rows, begins: bool) -> None:
        if begins:
            if self._file is not None:
                self._finish(None)
            self._open(self.path / self._name(rows.row), self.episodes - 1)
        super()._put(rows, begins)

    def close(self, kept: Path | None) -> None:
        if self._file is None:
            self._open(self.path / f"{_numbered(0)}", 0)
        self._finish(kept)

    def _name(self, row: Mapping[str, Any]) -> str:
        name = _numbered(self.episodes - 1) if self.plan.layout is None else _safe(row["name"]) + SUFFIX
        if name in self._taken:
            raise SettingsError(f"two episodes would be the file {name}; give them different names")
        self._taken.add(name)
        return name


class ByRows(OneFile):
    """A folder whose files hold as many rows as those that were read."""

    def _begin(self) -> None:
        assert self.plan.layout is not None
        self._names = [(_safe(str(name)) + SUFFIX, int(rows)) for name, rows in self.plan.layout["files"]]
        self._at, self._left = -1, 0
        self._next()

    def _next(self) -> None:
        if self._file is not None:
            self._finish(None)
        self._at += 1
        name, self._left = self._names[self._at]
        self._open(self.path / name, self._at)

    def _put(self, rows: Rows, begins: bool) -> None:
        batch = rows.batch
        while batch is not None and batch.num_rows:
            while not self._left and self._at + 1 < len(self._names):
                self._next()
            n = batch.num_rows if self._at + 1 == len(self._names) else min(self._left, batch.num_rows)
            super()._put(replace(rows, batch=batch.slice(0, n)), begins)
            batch, self._left = batch.slice(n), self._left - n

    def close(self, kept: Path | None) -> None:
        while self._at + 1 < len(self._names):
            self._next()
        self._finish(kept)


def _numbered(number: int) -> str:
    return f"episode_{number:06d}{SUFFIX}"


def _last_name(source: Source, plan: Plan) -> str:
    """The file that is written last."""
    if plan.layout is not None and plan.layout["by"] == "column":
        return _safe(str(plan.layout["files"][-1][0])) + SUFFIX
    episodes = sum(part.num_episodes for part in source.parts())
    if plan.layout is None or not episodes:
        return _numbered(max(0, episodes - 1))
    names = [name for part in source.parts() for name in part.episodes().column("name").to_pylist()]
    return _safe(names[-1]) + SUFFIX


def _safe(name: str) -> str:
    """A path that stays in the folder, or SettingsError."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not name.strip("/. ") or "\0" in name or "\\" in name:
        raise SettingsError(f"{name!r} is no name for a file; name the episode otherwise")
    return name


def _metadata(plan: Plan, number: int) -> dict[str, str]:
    import base64

    if plan.layout is None:
        return {}
    sets, of = plan.layout["metadata"], plan.layout["metadata_of"]
    which = of[number] if number < len(of) else 0
    found = sets[which] if which < len(sets) else {}
    return {base64.b64decode(k): base64.b64decode(v) for k, v in found.items()}  # type: ignore[misc]
