"""The model XML of each demonstration: the text itself, or the name of a file beside the data."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from trajloom.errors import HostileFileError
from trajloom.formats._hdf5_values import Typed, value_of

MAX_MODEL_BYTES = 64 << 20
FOLDERS = (".", "models")
"""Where a model that is only named may lie, from the data's folder."""


def digest(xml: str) -> str:
    """The hash that stands for a model."""
    return hashlib.sha256(xml.encode()).hexdigest()


def model_of(attr: Typed | None, folder: Path, where: str) -> str | None:
    """The XML that an attribute `model_file` holds or names; None where there is none to be found.

    Raises:
        HostileFileError: the name would leave the folder.
    """
    value = value_of(attr)
    if not isinstance(value, str) or not value.strip():
        return None
    if is_xml(value):
        return value if _is_unicode(value) else None
    if not is_plain_name(value):
        raise HostileFileError(f"{where}: model_file names {value!r}, which is no plain file name beside the data")
    for place in FOLDERS:
        base = (folder / place).resolve()
        path = base / value
        if not path.is_file():
            continue
        if path.resolve().parent != base:
            raise HostileFileError(f"{where}: model_file names {value!r}, which leads out of {place!r}")
        if path.stat().st_size <= MAX_MODEL_BYTES:
            xml = path.read_bytes().decode("utf-8", "surrogateescape")
            return xml if _is_unicode(xml) else None
    return None


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_xml(value: str) -> bool:
    """Whether a `model_file` is the model rather than its name."""
    return value.lstrip("\ufeff \t\r\n").startswith("<")


def is_plain_name(value: str) -> bool:
    """Whether a name stays in its folder on any system."""
    return value not in ("", ".", "..") and not set("/\\:\0") & set(value) and len(os.fsencode(value)) < 256


class Models(Mapping[str, str]):
    """SHA-256 -> XML, read from the file when asked for; only the hashes are kept."""

    def __init__(self, episodes: int, load: Callable[[int], str | None]):
        self._episodes, self._load = episodes, load

    @cached_property
    def _first(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for episode in range(self._episodes):
            xml = self._load(episode)
            if xml is not None:
                found.setdefault(digest(xml), episode)
        return found

    def __getitem__(self, key: str) -> str:
        xml = self._load(self._first[key])
        assert xml is not None
        return xml

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)

    def __contains__(self, key: Any) -> bool:
        return key in self._first
