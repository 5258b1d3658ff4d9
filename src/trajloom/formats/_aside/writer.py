"""Keeping aside what a format has no place for, while its own data is being written."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from trajloom.formats import Part
from trajloom.parquet import ParquetFile
from trajloom.schema import REST, Header
from trajloom.tables import Array

VERSION = 1
TIMES = pa.schema([pa.field("timestamp", pa.float64())])


class AsideWriter:
    """Writes the files to keep aside into a folder, while the dataset streams through it.

    >>> aside = AsideWriter("zarr", source.header, draft / FOLDER, columns)
    >>> for part in source.parts():
    ...     for batch in aside.steps_of(part):
    ...         write_own(batch)
    >>> aside.finish(source.models())
    """

    def __init__(
        self,
        format_: str,
        header: Header,
        folder: Path,
        columns: Mapping[str, str],
        episode_columns: Mapping[str, str] | None = None,
        copies: frozenset[str] = frozenset(),
    ):
        """Begin.

        Args:
            format_: Name of the format that is written.
            header: The dataset's.
            folder: Where to write; made here.
            columns: Column of `steps` (data or lineage) -> the name under which the format's own reader returns it, for
                every column that the format holds without any change. Nulls may be filled with anything. All other
                columns are kept aside whole.
            episode_columns: The same for data columns of `episodes`.
            copies: Names under which the format's own reader returns what is only a changed copy of a column.
        """
        self.header, self.folder = header, folder
        self.columns, self.episode_columns = dict(columns), dict(episode_columns or {})
        self._about = {"version": VERSION, "format": format_, "copies": sorted(copies)}
        self._nulls: dict[str, list[list[int]]] = {}
        self._rows = 0
        self._irregular = False
        self._files: dict[str, ParquetFile] = {}
        folder.mkdir(parents=True, exist_ok=True)
        own = [f.name for f in header.steps_schema if f.name not in ("episode_index", "frame_index", "timestamp")]
        self._kept = [name for name in own if name not in self.columns]
        self._episode_schema = pa.schema([f for f in header.episodes_schema if f.name not in self.episode_columns])

    def steps_of(self, part: Part) -> Iterator[pa.RecordBatch]:
        """The batches of a part's steps, all of which are to be taken; its other tables are kept aside."""
        self._file("episodes", self._episode_schema)
        for batch in part.episodes().to_batches():
            self._note_nulls(batch, self.episode_columns, self._episodes)
            self._write("episodes", self._episode_schema, batch.select(self._episode_schema.names))
        for batch in part.steps():
            self._take(batch)
            yield batch
        self._write("attempts", self.header.attempts_schema, *part.attempts().to_batches())
        for batch in part.rest():
            self._write("rest", REST, batch)

    def finish(self, models: Mapping[str, str]) -> None:
        """Write what is known only now: models, nulls, header."""
        for sha in models:
            path = self.folder / "models" / f"{sha}.xml"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(models[sha].encode())
        for name, file in self._files.items():
            file.close()
            if name == "times" and not self._irregular:
                file.path.unlink()
        about = {
            **self._about,
            "columns": self.columns,
            "episode_columns": self.episode_columns,
            "nulls": self._nulls,
            "nowhere": self._nowhere(),
            "header": self.header.to_json(),
        }
        (self.folder / "aside.json").write_text(json.dumps(about))

    def _nowhere(self) -> list[str]:
        """Columns that the format would hold, of which there is no value."""
        counts = {**dict.fromkeys(self.episode_columns, self._episodes), **dict.fromkeys(self.columns, self._rows)}
        return [name for name, rows in counts.items() if self._nulls.get(name, []) == ([[0, rows]] if rows else [])]

    def close(self) -> None:
        """Close the files of a writer that did not finish."""
        for file in self._files.values():
            file.close()

    @property
    def _episodes(self) -> int:
        return self._file("episodes", self._episode_schema).rows

    def _take(self, batch: pa.RecordBatch) -> None:
        self._note_nulls(batch, self.columns, self._rows)
        if self._kept:
            schema = pa.schema([self.header.steps_schema.field(name) for name in self._kept])
            self._write("steps", schema, batch.select(self._kept))
        self._irregular = self._irregular or not _is_regular(batch, self.header.control_hz)
        self._write("times", TIMES, batch.select(["timestamp"]))
        self._rows += batch.num_rows

    def _note_nulls(self, batch: pa.RecordBatch, names: Mapping[str, str], first: int) -> None:
        for name in names:
            values = batch.column(name)
            if values.null_count:
                runs = self._nulls.setdefault(name, [])
                for start, stop in _runs(values.is_null().to_numpy(zero_copy_only=False)):
                    if runs and runs[-1][1] == first + start:
                        runs[-1][1] = first + stop
                    else:
                        runs.append([first + start, first + stop])

    def _file(self, name: str, schema: pa.Schema) -> ParquetFile:
        if name not in self._files:
            self._files[name] = ParquetFile(self.folder / f"{name}.parquet", schema)
        return self._files[name]

    def _write(self, name: str, schema: pa.Schema, *batches: pa.RecordBatch) -> None:
        for batch in batches:
            if batch.num_rows:
                self._file(name, schema).write(pa.RecordBatch.from_arrays(batch.columns, schema=schema))


def _is_regular(batch: pa.RecordBatch, hz: float | None) -> bool:
    time = batch.column("timestamp")
    if hz is None:
        return time.null_count == len(time)
    frames = batch.column("frame_index").to_numpy()
    return not time.null_count and np.array_equal(time.to_numpy(), frames / hz)


def _runs(mask: Array) -> list[tuple[int, int]]:
    """Ranges in which a mask is set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
