"""Writing a dataset as LeRobot v3.0, while it streams by."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.formats import Loss, Part, Progress, Source, _aside
from trajloom.formats._place import appearing_folder
from trajloom.formats.lerobot import statistics
from trajloom.formats.lerobot.current import Current, Tasks
from trajloom.formats.lerobot.episodes import EpisodeFile, extra_types, further, write_stats, write_tasks
from trajloom.formats.lerobot.files import CHUNK_FILES, DATA_BYTES, VIDEO_BYTES, Cameras, DataFiles, place
from trajloom.formats.lerobot.info import DATA_PATH, INFO, VIDEO_PATH
from trajloom.formats.lerobot.meta import restore
from trajloom.formats.lerobot.names import our_names
from trajloom.formats.lerobot.plan import (
    MADE,
    Native,
    WriteOptions,
    data_schema,
    features_json,
    fps_of,
    keeps_task_index,
    natives,
    source_info,
)  # fmt: skip
from trajloom.formats.lerobot.png import encode, encode_all, workers
from trajloom.formats.lerobot.scan import EMPTY
from trajloom.formats.lerobot.source import is_one
from trajloom.formats.lerobot.texts import Texts
from trajloom.schema import Column, Header
from trajloom.tables import Array


def write_folder(source: Source, path: str, overwrite: bool, progress: Progress | None, options: WriteOptions) -> None:
    """Write a dataset, whole or not at all."""
    fps_of(source.header, options)
    with (
        appearing_folder(source, path, overwrite, is_one, last=INFO) as draft,
        workers(options.threads) as pool,
        ExitStack() as stack,
    ):
        output = Output(source, draft, options, pool, stack)
        done, total = 0, sum(part.num_episodes for part in source.parts())
        for part in source.parts():
            output.write(part)
            done += part.num_episodes
            if progress is not None:
                progress(done, total)
        output.finish()


class Output:
    """One folder that is being written."""

    def __init__(self, source: Source, draft: Path, options: WriteOptions, pool: ThreadPoolExecutor, stack: ExitStack):
        header = source.header
        self.source, self.draft, self.options, self.pool = source, draft, options, pool
        self.fps = fps_of(header, options)
        self.columns = natives(header, options)
        self.own_tasks = keeps_task_index(header)
        self.tasks = Tasks(header)
        self.aside = aside_of(header, self.columns, draft)
        stack.callback(self.aside.close)
        self.texts = Texts.of(header, [*MADE, *(n.name for n in self.columns)])
        self.data = DataFiles(draft / "data", data_schema(self.columns, list(self.texts.features.values())))
        videos = [n.name for n in self.columns if n.kind == "video"]
        self.cameras = Cameras(draft / "videos", videos, self.fps, options.codec)
        stack.callback(self.cameras.close)
        made = [Native("", name, Column(name=name, dtype=dtype), "number") for name, dtype in MADE.items()]
        self.counted = [n for n in made if n.name != "task_index" or not self.own_tasks]
        path = draft / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
        self.episodes = EpisodeFile(path, [*self.columns, *self.counted], extra_types(source))
        self.empty: list[int] = []
        self.rows = self.written = self.seen = 0

    def write(self, part: Part) -> None:
        """One part: its batches, cut where episodes end."""
        rows = _described(part.episodes())
        self.texts.open(part)
        current: Current | None = None
        for batch in self.aside.steps_of(part):
            start = 0
            while start < batch.num_rows:
                if current is None:
                    current = self._begin(rows)
                stop = min(batch.num_rows, start + current.left)
                pieces = [(current, start, stop)]
                # episodes that end within the batch are written together, but where videos may begin a new file
                while stop < batch.num_rows and pieces[-1][0].left == pieces[-1][2] - pieces[-1][1]:
                    if self.data.full or self.cameras.numbers:
                        break
                    following = self._begin(rows)
                    start_of = stop
                    stop = min(batch.num_rows, start_of + following.left)
                    pieces.append((following, start_of, stop))
                self._append(batch, pieces)
                current = self._ended(pieces)
                start = stop
        for row in rows:
            self._skip(row)

    def _begin(self, rows: Iterator[Mapping[str, Any]]) -> Current:
        row = next(rows)
        while not row["length"]:
            self._skip(row)
            row = next(rows)
        if self.data.full:
            self.data.turn()
        self.seen += 1
        number, self.written = self.written, self.written + 1
        found = Current(row, number, self.rows, self.data.number, self.cameras.begin(row["length"]))
        self.rows += row["length"]
        return found

    def _skip(self, row: Mapping[str, Any]) -> None:
        """An episode without steps, which LeRobot cannot hold."""
        assert not row["length"]
        self.empty.append(self.seen)
        self.seen += 1

    def _append(self, batch: pa.RecordBatch, pieces: Sequence[tuple[Current, int, int]]) -> None:
        start, stop = pieces[0][1], pieces[-1][2]
        rows = batch.slice(start, stop - start)
        arrays: dict[str, pa.Array] = {}
        for native in self.columns:
            found = rows.column(native.source)
            values = tables.filled(found, native.column)
            present = found.is_valid().to_numpy(zero_copy_only=False) if found.null_count else None
            cuts = [(current, a - start, b - start) for current, a, b in pieces]
            self._count(native, values, present, cuts)
            if native.kind == "video":
                self.cameras.write(native.name, values)
            elif native.kind == "image":
                arrays[native.name] = self._images(values, present)
            else:
                arrays[native.name] = as_parquet(values, native)
        counted = self._counted(rows, pieces)
        for native in self.counted:
            cuts = [(current, a - start, b - start) for current, a, b in pieces]
            self._count(native, counted[native.name], None, cuts)
            arrays[native.name] = pa.array(counted[native.name])
        spans = [(c.row["episode_index"], c.length, c.done, c.done + b - a) for c, a, b in pieces]
        arrays |= self.texts.arrays(spans)
        schema = self.data.schema
        self.data.write(pa.table([arrays[f.name] for f in schema], schema=schema))

    def _images(self, frames: Array, present: Array | None) -> pa.Array:
        if present is None:
            packed: Sequence[bytes] = encode_all(frames, self.pool)
        else:
            black = encode(np.zeros(frames.shape[1:], dtype=np.uint8))
            some = iter(encode_all(frames[present], self.pool))
            packed = [next(some) if there else black for there in present]
        data = pa.array(packed, pa.binary())
        return pa.StructArray.from_arrays([data, pa.nulls(len(data), pa.string())], names=["bytes", "path"])

    def _count(
        self, native: Native, values: Array, present: Array | None, cuts: Sequence[tuple[Current, int, int]]
    ) -> None:
        """Take the statistics of some episodes' rows; rows of episodes that lack the column do not count."""
        for current, a, b in cuts:
            tally = current.tallies.setdefault(native.name, statistics.Tally())
            if native.kind == "number":
                tally.add_numbers(values[a:b] if present is None else values[a:b][present[a:b]])
                continue
            first = current.done
            wanted = current.sampled
            mine = wanted[(wanted >= first) & (wanted < first + b - a)] - first + a
            tally.add_frames(values[mine if present is None else mine[present[mine]]])

    def _counted(self, rows: pa.RecordBatch, pieces: Sequence[tuple[Current, int, int]]) -> dict[str, Array]:
        """LeRobot's own columns."""
        frames = np.concatenate([np.arange(c.done, c.done + b - a) for c, a, b in pieces])
        firsts = np.concatenate([np.full(b - a, c.first_row) for c, a, b in pieces])
        numbers = np.concatenate([np.full(b - a, c.number) for c, a, b in pieces])
        # where the steps say their tasks themselves, those of the episodes are not asked for
        number = (lambda task: 0) if self.own_tasks else self.tasks.index
        tasks = np.concatenate([np.full(b - a, number(c.task)) for c, a, b in pieces])
        return {
            "timestamp": self._times(rows, frames),
            "frame_index": frames.astype(np.int64),
            "episode_index": numbers.astype(np.int64),
            "index": (firsts + frames).astype(np.int64),
            "task_index": tasks.astype(np.int64),
        }

    def _times(self, rows: pa.RecordBatch, frames: Array) -> Array:
        """Times (s), float32 as LeRobot's; with videos those at which their frames are."""
        given = rows.column("timestamp")
        if given.null_count or self.cameras.numbers or self.source.header.control_hz is None:
            return (frames / self.fps).astype(np.float32)
        return given.to_numpy().astype(np.float32)

    def _ended(self, pieces: Sequence[tuple[Current, int, int]]) -> Current | None:
        """Write down the episodes that are complete; the last one may go on."""
        for current, a, b in pieces:
            current.done += b - a
            if not current.left:
                self._describe(current)
        last = pieces[-1][0]
        return last if last.left else None

    def _describe(self, current: Current) -> None:
        chunk, file = place(current.file)
        more = further(current.row["attrs"])
        stats = {name: found for name, tally in current.tallies.items() if (found := tally.stats()) is not None}
        row = {
            **more,
            "episode_index": current.number,
            "tasks": more.get("tasks") or [self.tasks.text(current.task)],
            "length": current.length,
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": current.first_row,
            "dataset_to_index": current.first_row + current.length,
            **current.videos,
        }
        self.episodes.write(row, stats)

    def finish(self) -> None:
        """Write what is known only now, `info.json` last."""
        self.data.close()
        self.cameras.close()
        self.episodes.close()
        meta = self.draft / "meta"
        known = restore(self.source, self.columns, meta)
        write_tasks(meta / "tasks.parquet", self.tasks.texts)
        write_stats(meta / "stats.json", self.episodes.totals, known)
        self.aside.finish(self.source.models())
        empty = {"empty": self.empty, "episodes": self.written}
        (self.draft / _aside.FOLDER / EMPTY).write_text(json.dumps(empty))
        (self.draft / INFO).write_text(json.dumps(self._info(), indent=4, ensure_ascii=False))

    def _info(self) -> dict[str, Any]:
        known, videos = source_info(self.source.header), bool(self.cameras.numbers)
        features = known.get("features")
        described = features if isinstance(features, dict) else {}
        rate = int(self.fps) if self.fps == int(self.fps) else self.fps
        made = {
            "codebase_version": "v3.0",
            "robot_type": self.options.robot_type or known.get("robot_type"),
            "total_episodes": self.written,
            "total_frames": self.rows,
            "total_tasks": len(self.tasks.texts),
            "chunks_size": CHUNK_FILES,
            "data_files_size_in_mb": DATA_BYTES >> 20,
            "video_files_size_in_mb": VIDEO_BYTES >> 20,
            "fps": known["fps"] if known.get("fps") == rate else rate,
            "splits": known.get("splits") or {"train": f"0:{self.written}"},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH if videos else None,
            "features": features_json(
                self.columns, self.fps, described, self.options, list(self.texts.features.values())
            ),
        }  # fmt: skip
        return {**{k: v for k, v in known.items() if k not in ("total_videos", "total_chunks")}, **made}


def _described(episodes: pa.Table) -> Iterator[Mapping[str, Any]]:
    yield from episodes.select(["episode_index", "length", "task", "attrs"]).to_pylist()


# ---- columns ---------------------------------------------------------------------------------------------------


def aside_of(header: Header, columns: Sequence[Native], draft: Path) -> _aside.AsideWriter:
    """What keeps aside whatever LeRobot does not hold."""
    theirs = our_names(n.name for n in columns if n.name not in MADE)
    held = {n.source: theirs[n.name] for n in columns if n.name in theirs}
    return _aside.AsideWriter(
        "lerobot", header, draft / _aside.FOLDER, held, copies=frozenset({"task_index"}) - set(held.values())
    )


def as_parquet(values: Array, native: Native) -> pa.Array:
    """Numbers (n, *shape) as the feature's type."""
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    if native.is_scalar:
        return flat
    shape = native.feature_shape
    if len(shape) == 1:
        return pa.FixedSizeListArray.from_arrays(flat, shape[0])
    count = values.size
    for n in reversed(shape):
        count //= n
        flat = pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * np.int32(n)), flat)
    return flat


def losses(source: Source, options: WriteOptions) -> Iterator[Loss]:
    """What LeRobot cannot hold of a dataset."""
    columns = natives(source.header, options)
    videos = [n.source for n in columns if n.kind == "video"]
    if videos:
        yield Loss(f"pixels of images, which videos only come near: {', '.join(videos)}")
    held = [n.source for n in columns if n.name not in MADE]
    if any(not length for part in source.parts() for length in part.episodes().column("length").to_pylist()):
        yield Loss("episodes without steps", kept_aside=True)
    yield from _aside.losses(source, held, holds=("task",))
