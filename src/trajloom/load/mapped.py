"""Files of numbers, mapped into memory: what is used of them comes from the disk as it is used."""

import mmap
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from trajloom.tables import Array


class Reopened:
    """A frozen dataclass that goes to other processes as its fields: what it has opened is opened again there."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # pyright: ignore[reportArgumentType]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)


def mapped(path: Path, dtype: str) -> Array:
    """(N,). A file's values, read-only."""
    size = os.path.getsize(path)
    if not size:
        return np.empty(0, dtype)
    with open(path, "rb") as file:
        found = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    if size > _memory() // 2 and hasattr(mmap, "MADV_RANDOM"):
        # what is read ahead would push out of memory what the next batches need
        found.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(found, dtype)


def _memory() -> int:
    """Bytes of the machine's memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 8 << 30
