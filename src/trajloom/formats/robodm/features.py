"""What a stream says about its feature: name, element type and shape; names of RoboDM and ours."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trajloom.errors import DamagedFileError, HostileFileError
from trajloom.formats import _feature_paths
from trajloom.schema import ELEMENT_TYPES

MAX_VALUE_BYTES = 1 << 28
"""What one value of a feature may take in memory."""
_MAX_DIMENSIONS = 16
_TYPE = re.compile(r"dtype=(?P<dtype>[a-zA-Z0-9_]{1,32}); ?shape=(?P<shape>None|\([0-9, ]{0,200}\))\)?")
_PREFIXES = {"observation/": "obs/", "observations/": "obs/"}
_WHOLE = {"action": "actions", "reward": "rewards", "state": "states", "done": "dones"}
CLOCKS = ("action", "actions")


@dataclass(frozen=True)
class Feature:
    """One stream of a file."""

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    video: bool
    """Whether it is compressed as a video; else its packets are its values."""
    codec: str
    """INTERNAL_CODEC, else SELECTED_CODEC; empty where it does not say."""

    @property
    def odd(self) -> str | None:
        """Why it can be no column."""
        if self.dtype not in ELEMENT_TYPES:
            return f"element type {self.dtype}"
        return f"shape {self.shape}" if 0 in self.shape else None


def feature_of(index: int, metadata: Mapping[str, str], video: bool, where: str) -> Feature | None:
    """The feature that a stream's metadata describes; None where it names none.

    Raises:
        DamagedFileError: Its type is not written as RoboDM does. It is never evaluated.
        HostileFileError: Absurd shapes.
    """
    name = metadata.get("FEATURE_NAME", "").strip("/")
    if not name:
        return None
    said = metadata.get("FEATURE_TYPE", "")
    found = _TYPE.fullmatch(said)
    if found is None:
        raise DamagedFileError(f"{where}: {name}: FEATURE_TYPE is {said[:80]!r}, not `dtype=<type>; shape=(<n>, ...))`")
    sizes = [] if found["shape"] == "None" else [part.strip() for part in found["shape"][1:-1].split(",")]
    if any(" " in size for size in sizes):
        raise DamagedFileError(f"{where}: {name}: FEATURE_TYPE is {said[:80]!r}, whose shape is none")
    shape = tuple(int(size) for size in sizes if size)
    if len(shape) > _MAX_DIMENSIONS or math.prod(n or 1 for n in shape) * 8 > MAX_VALUE_BYTES:
        raise HostileFileError(f"{where}: {name} has shape {shape}, more than {MAX_VALUE_BYTES >> 20} MB a value")
    codec = metadata.get("INTERNAL_CODEC") or metadata.get("SELECTED_CODEC", "")
    return Feature(index, name, found["dtype"], shape, video, codec)


def paths_of(names: Iterable[str]) -> dict[str, str]:
    """Name -> path in a robomimic demonstration: `observation/x` is `obs/x`, `action` is `actions`.

    Where two would be one, or one lie inside another, the later keeps its own name.
    """
    return _feature_paths.paths_of(names, _WHOLE, _PREFIXES)
