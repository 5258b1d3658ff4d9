"""The model XML of each demonstration: the text itself, or the name of a file beside the data."""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from trajloom.errors import HostileFileError, TrajloomWarning
from trajloom.formats.hdf5.attrs import Typed, value_of

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


class NamedModels:
    """Model files that demonstrations only name: they are written beside the data, under `models/`.

    Beside a file at a URL nothing is written: its attributes hold the models themselves.
    """

    def __init__(self, folder: Path | None):
        self.folder = None if folder is None else folder / "models"

    def kept_beside(self, attrs: Mapping[str, Any], xml: str | None) -> dict[str, Any]:
        """Attributes of a demonstration once its model is where they say it is.

        Where another model of that name is there already, the attribute holds the model itself.
        """
        value = value_of(attrs.get("model_file"))
        if xml is None or not isinstance(value, str) or is_xml(value) or not is_plain_name(value):
            return dict(attrs)
        if self.folder is None:
            return {**attrs, "model_file": {"dtype": "str", "value": xml}}
        path = self.folder / value
        if not path.exists() and not (self.folder.parent / value).exists():
            self.folder.mkdir(exist_ok=True)
            path.write_bytes(xml.encode())
        there = model_of(attrs["model_file"], self.folder.parent, str(self.folder))
        if there == xml:
            return dict(attrs)
        warnings.warn(f"{path} is another model; this one is kept inside the file", TrajloomWarning, stacklevel=2)
        return {**attrs, "model_file": {"dtype": "str", "value": xml}}


class Models(Mapping[str, str]):
    """SHA-256 -> XML, read from the file when asked for; only the hashes are kept."""

    def __init__(self, episodes: int, loader: Callable[[], Callable[[int], str | None]]):
        """Prepare it.

        Args:
            episodes: How many there are.
            loader: Opens the file; what it returns reads the model of an episode.
        """
        self._episodes, self._loader = episodes, loader
        self._last: tuple[str, str] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the open file, so that it can be sent to another process."""
        return {name: value for name, value in self.__dict__.items() if name != "_load"}

    @cached_property
    def _load(self) -> Callable[[int], str | None]:
        return self._loader()

    @cached_property
    def _first(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for episode in range(self._episodes):
            xml = self._load(episode)
            if xml is not None:
                found.setdefault(digest(xml), episode)
        return found

    def __getitem__(self, key: str) -> str:
        if self._last is None or self._last[0] != key:
            xml = self._load(self._first[key])
            assert xml is not None
            self._last = (key, xml)
        return self._last[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)

    def __contains__(self, key: Any) -> bool:
        return key in self._first
