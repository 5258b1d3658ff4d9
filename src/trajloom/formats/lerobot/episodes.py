"""`meta/episodes`, `meta/tasks.parquet` and `meta/stats.json` of an output."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trajloom.formats import Source
from trajloom.formats.lerobot.plan import Native
from trajloom.formats.lerobot.source import MARK
from trajloom.formats.lerobot.statistics import QUANTILES, Stats, Total

FLUSH_ROWS = 256
FIXED = {"episode_index": pa.int64(), "tasks": pa.list_(pa.string()), "length": pa.int64(),
         "data/chunk_index": pa.int64(), "data/file_index": pa.int64(), "dataset_from_index": pa.int64(),
         "dataset_to_index": pa.int64(), "meta/episodes/chunk_index": pa.int64(),
         "meta/episodes/file_index": pa.int64()}  # fmt: skip


class EpisodeFile:
    """Writes one row an episode, with the statistics of each feature."""

    def __init__(self, path: Path, columns: Sequence[Native], extra: Mapping[str, pa.DataType]):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.schema = _schema(columns, extra)
        self.totals: dict[str, Total] = {}
        self._writer = pq.ParquetWriter(path, self.schema)
        self._rows: list[dict[str, Any]] = []

    def write(self, row: Mapping[str, Any], stats: Mapping[str, Stats]) -> None:
        """Append an episode."""
        values = {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0, **row}
        for name, found in stats.items():
            self.totals.setdefault(name, Total()).add(found)
            values.update({f"stats/{name}/{kind}": value.tolist() for kind, value in found.items()})
        self._rows.append(values)
        if len(self._rows) >= FLUSH_ROWS:
            self._flush()

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            arrays = [pa.array([row.get(f.name) for row in self._rows], type=f.type) for f in self.schema]
            self._writer.write_table(pa.table(arrays, schema=self.schema))
            self._rows = []


def _schema(columns: Sequence[Native], extra: Mapping[str, pa.DataType]) -> pa.Schema:
    fields = [pa.field(name, kind) for name, kind in FIXED.items()]
    for native in columns:
        if native.kind == "video":
            for name, kind in (("chunk_index", pa.int64()), ("file_index", pa.int64()),
                               ("from_timestamp", pa.float64()), ("to_timestamp", pa.float64())):  # fmt: skip
                fields.append(pa.field(f"videos/{native.name}/{name}", kind))
    for native in columns:
        number = pa.list_(pa.float64())
        wide = number if native.kind == "number" else pa.list_(pa.list_(number))
        whole = native.kind == "number" and native.column.dtype.startswith(("int", "uint"))
        ends = pa.list_(pa.int64()) if whole else wide
        kinds = {"min": ends, "max": ends, "mean": wide, "std": wide, "count": pa.list_(pa.int64())}
        kinds |= dict.fromkeys(QUANTILES, wide)
        fields += [pa.field(f"stats/{native.name}/{kind}", type_) for kind, type_ in kinds.items()]
    fields += [pa.field(name, kind) for name, kind in extra.items() if name not in {f.name for f in fields}]
    return pa.schema(fields)


def further(attrs: str) -> dict[str, Any]:
    """What the metadata of a LeRobot source held of an episode beyond what every dataset has."""
    try:
        found = json.loads(attrs).get("", {})
        return {
            name.removeprefix(MARK): json.loads(typed["value"])
            for name, typed in found.items()
            if name.startswith(MARK)
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def extra_types(source: Source) -> dict[str, pa.DataType]:
    """Columns of further metadata, of the types that their values have."""
    values: dict[str, list[Any]] = {}
    for part in source.parts():
        for attrs in part.episodes().column("attrs").to_pylist():
            for name, value in further(attrs).items():
                if name not in FIXED:
                    values.setdefault(name, []).append(value)
    found = {}
    for name, given in values.items():
        try:
            found[name] = pa.array(given).type
        except pa.ArrowException:
            continue  # values of several types: they are among what is kept aside
    return {name: kind for name, kind in found.items() if not pa.types.is_null(kind)}


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """`meta/tasks.parquet` as pandas writes it: the texts are its index."""
    columns = {"task_index": pa.array(range(len(tasks)), pa.int64()), "__index_level_0__": pa.array(tasks, pa.string())}
    table = pa.table(columns)
    about = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [{"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object",
                            "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64",
             "metadata": None},
            {"name": None, "field_name": "__index_level_0__", "pandas_type": "unicode", "numpy_type": "object",
             "metadata": None},
        ],
        "pandas_version": "2.2.0",
    }  # fmt: skip
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(about)}), path)


def write_stats(path: Path, totals: Mapping[str, Total], known: Mapping[str, Any]) -> None:
    """`meta/stats.json`; of features that are not in the data, what the source's own said."""
    found = {name: {k: v.tolist() for k, v in total.stats().items()} for name, total in totals.items()}
    kept = {name: stats for name, stats in known.items() if name not in found}
    path.write_text(json.dumps({**kept, **found}, indent=4))
