"""What a dataset holds."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from trajloom.dataset import NATIVE, Dataset
from trajloom.folder import Folder
from trajloom.store import StoredDataset


@dataclass(frozen=True, kw_only=True)
class Info:
    """What `trajloom info` prints."""

    path: str | None
    format: str
    episodes: int
    steps: int
    attempts: int
    """0 where the data was not generated."""
    parts: int
    nbytes: int | None
    """Bytes on disk; None where it does not lie on one."""
    control_hz: float | None
    env: str | None
    """Name of the environment."""
    tasks: tuple[str, ...]
    splits: Mapping[str, int]
    """Split -> how many episodes are in it."""
    columns: pl.DataFrame
    """`table`, `name`, `dtype`, `shape`, `nullable`, `unit`, `frame`, `when`, `bytes` of a row before compression."""
    generation: Mapping[str, Any] | None
    sources: tuple[Mapping[str, Any], ...]
    made_by: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def duration(self) -> float | None:
        """Seconds of all episodes; None where the rate is unknown."""
        return self.steps / self.control_hz if self.control_hz else None


def info(dataset: Dataset) -> Info:
    """What a dataset holds, from its metadata and the table `episodes`."""
    header, parts = dataset.header, dataset.parts()
    stored = isinstance(dataset.source, StoredDataset)
    return Info(
        path=dataset.path,
        format=NATIVE if stored else header.layout.get("format", "in memory"),
        episodes=sum(part.num_episodes for part in parts),
        steps=sum(part.num_steps for part in parts),
        attempts=dataset.attempts().select(pl.len()).collect().item(),
        parts=len(parts),
        nbytes=_nbytes(dataset),
        control_hz=header.control_hz,
        env=(header.env_args or {}).get("env_name"),
        tasks=tuple(dataset.episodes().select(pl.col("task").drop_nulls().unique().sort()).collect()["task"]),
        splits=_splits(dataset),
        columns=columns(dataset),
        generation=header.generation,
        sources=header.sources,
        made_by=header.made_by,
        warnings=header.warnings,
    )


def _splits(dataset: Dataset) -> dict[str, int]:
    split = dataset.episodes().select(pl.col("splits").explode()).drop_nulls()
    counts = split.group_by("splits").agg(episodes=pl.len()).sort("splits").collect()
    return dict(counts.iter_rows())


def columns(dataset: Dataset) -> pl.DataFrame:
    """The data columns of `steps` and `episodes`, as the header describes them."""
    tables = {"steps": dataset.header.steps, "episodes": dataset.header.episodes}
    schema = {
        "table": pl.String, "name": pl.String, "dtype": pl.String, "shape": pl.List(pl.Int64), "nullable": pl.Boolean,
        "unit": pl.String, "frame": pl.String, "when": pl.String, "bytes": pl.Int64,
    }  # fmt: skip
    rows = [
        [table, c.name, c.dtype, list(c.shape), c.nullable, c.unit, c.frame, c.when, c.nbytes]
        for table, members in tables.items()
        for c in members
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _nbytes(dataset: Dataset) -> int | None:
    if isinstance(dataset.source, StoredDataset):
        return sum(commit.nbytes for commit in dataset.source.commits)
    if dataset.path is None:
        return None
    folder = Folder(os.fspath(dataset.path))
    return int(folder.fs.du(folder.root))  # pyright: ignore[reportArgumentType]
