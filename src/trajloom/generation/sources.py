"""The demonstrations that a run generates from."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from trajloom.engine.segments import SourceDemo
from trajloom.errors import SourceError
from trajloom.task import DatagenInfo

if TYPE_CHECKING:
    from trajloom.dataset import Dataset


def read_sources(dataset: "Dataset", name: str, split: str | None = None) -> list[SourceDemo]:
    """The demonstrations of a dataset that carry `datagen_info` and did not fail.

    Args:
        dataset: Any dataset; only its columns `datagen_info/...` are read.
        name: What to call the dataset in an error.
        split: Only demonstrations of this split (robomimic's `mask/<split>`).

    Raises:
        SourceError: There is none, with what to do about it.
    """
    wanted = [column.name for column in dataset.header.steps if column.name.startswith("datagen_info/")]
    if not wanted:
        raise SourceError(
            f"{name} has no datagen_info (object poses, signals, target poses): "
            "run `trajloom annotate` on it first, or make sources with `trajloom expert`"
        )
    demos = [
        SourceDemo(episode_index=one.index, name=one.row["name"], info=DatagenInfo.from_columns(one.columns))
        for one in dataset.iter_episodes(columns=wanted)
        if one.row["success"] is not False and one.columns and (split is None or split in one.row["splits"])
    ]
    if not demos:
        of_split = "" if split is None else f" in split {split!r}"
        raise SourceError(f"{name} has no episode{of_split} that carries datagen_info and did not fail")
    return demos


def identity(demos: Iterable[SourceDemo]) -> dict[str, Any]:
    """Number and SHA-256 of the sources' content, whatever file they lie in."""
    digest, count = hashlib.sha256(), 0
    for demo in demos:
        count += 1
        digest.update(repr((demo.episode_index, demo.name)).encode())
        for path, values in sorted(demo.info.to_columns().items()):
            digest.update(repr((path, values.shape, str(values.dtype))).encode())
            digest.update(np.ascontiguousarray(values).tobytes())
    return {"episodes": count, "sha256": digest.hexdigest()}
