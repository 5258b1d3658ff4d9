"""File formats: each module or package of this package is one, found by its name.

A format offers what `Format` lists: a name, suffixes, `sniff`, `read` and, unless it can only be read, `write`. Reading
begins with a scan of the metadata alone, which fixes one schema for the whole dataset.
"""

import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from typing import Any, Literal, Protocol, cast

import pyarrow as pa

from trajloom.errors import LayoutError, SettingsError, UnknownNameError
from trajloom.schema import Header

OnError = Literal["raise", "skip"]
Progress = Callable[[int, int], None]
"""Called with (episodes done, episodes in all)."""


class Part(Protocol):
    """A range of whole episodes; reading it twice gives the same rows."""

    @property
    def num_episodes(self) -> int: ...

    @property
    def num_steps(self) -> int: ...

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of `steps` by episode and frame, in batches of some MB; `columns` chooses, in the order given."""
        ...

    def episodes(self) -> pa.Table:
        """Rows of `episodes`, in order."""
        ...

    def attempts(self) -> pa.Table:
        """Rows of `attempts`; empty where the data was not generated."""
        ...

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Rows of `rest`; those of the file itself come with the first part."""
        ...


class Source(Protocol):
    """A dataset that can be read, wherever it lies."""

    @property
    def header(self) -> Header: ...

    def parts(self) -> Sequence[Part]:
        """The parts, in the order of their episodes."""
        ...

    def models(self) -> Mapping[str, str]:
        """SHA-256 of a model XML -> the XML, for the episodes' column `model`."""
        ...


@dataclass(frozen=True)
class Loss:
    """Something of a dataset that a format has no place for."""

    what: str
    """A clause for people: "float16 columns are written as float32: obs/force"."""
    kept_aside: bool = False
    """Whether it is written beside the format's own data all the same, so that reading the output restores it."""


class Format(Protocol):
    """What a member of this package offers.

    Optional members: `SPECIALISES`, the name of the format that it is a special case of and is asked before;
    `ReadOptions` and `WriteOptions`, frozen dataclasses of settings, an instance of which `read` and `write` then take
    as `options`; `losses(source, options)`. One without `write` can only be read, one without `read` only be written.

    For `trajloom doctor`: `findings(path) -> Iterator[Finding]`, what is wrong in the format's own files and cannot be
    seen in the tables (stale statistics, totals, sizes); what `header.warnings` says need not be said again.
    `repaired(source) -> Source`, the same dataset without the wrong counts and lists that reading and writing keep as
    they were, and with a header without the warnings of them; `source` is any dataset whose `layout` names the format.
    """

    NAME: str
    SUFFIXES: tuple[str, ...]

    def sniff(self, path: str) -> bool:
        """Whether the path holds this format, by looking at it."""
        ...

    def read(self, path: str, *, on_error: OnError = "raise") -> Source:
        """Scan the metadata and return the dataset.

        With "skip", damaged episodes are left out, each with a line in `header.warnings` that begins with "skipped ".
        """
        ...

    def write(self, source: Source, path: str, *, overwrite: bool = False, progress: Progress | None = None) -> None:
        """Write a dataset, whole or not at all; OutputExistsError where there is something and `overwrite` is off."""
        ...


def names(can: Literal["read", "write"] | None = None) -> list[str]:
    """The formats there are, or those that can be read or written."""
    found = _names()
    return [name for name in found if can is None or hasattr(get(name), can)]


@cache
def _names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def get(name: str) -> Format:
    """The format of this name."""
    if name not in _names():
        raise UnknownNameError("format", name, _names())
    return cast(Format, import_module(f"{__name__}.{name}"))


def of_suffix(path: str) -> Format | None:
    """The format that a path's suffix asks for, or None; the longest suffix decides."""
    path = path.lower()
    found = [(len(suffix), name) for name in _names() for suffix in get(name).SUFFIXES if path.endswith(suffix)]
    return get(max(found)[1]) if found else None


def find(path: str) -> Format:
    """The format that a path holds, found by looking; LayoutError where it is none."""
    special = {name: bool(getattr(get(name), "SPECIALISES", None)) for name in names("read")}
    for name in sorted(special, key=lambda name: (not special[name], name)):
        if get(name).sniff(path):
            return get(name)
    raise LayoutError(f"{path} is none of the formats that we read: {', '.join(names('read'))}, or a dataset of ours")


def read(name: str, path: str, on_error: OnError = "raise", options: Mapping[str, Any] | None = None) -> Source:
    """Read a path as a format; SettingsError where the format cannot be read or has no such option."""
    _must(name, "read")
    return get(name).read(path, on_error=on_error, **_options(name, "ReadOptions", options or {}))


def write(
    name: str, source: Source, path: str, *, overwrite: bool = False, progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write a dataset as a format; SettingsError where the format cannot be written or has no such option."""
    _must(name, "write")
    made = _options(name, "WriteOptions", options or {})
    get(name).write(source, path, overwrite=overwrite, progress=progress, **made)


def losses(name: str, source: Source, options: Mapping[str, Any] | None = None) -> list[Loss]:
    """What of a dataset a format has no place for; looks at metadata, and whether there are rows of `rest`."""
    _must(name, "write")
    ask = getattr(get(name), "losses", None)
    return list(ask(source, **_options(name, "WriteOptions", options or {}))) if ask else []


def _must(name: str, do: Literal["read", "write"]) -> None:
    if not hasattr(get(name), do):
        done = {"read": "read", "write": "written"}[do]
        raise SettingsError(f"{name} cannot be {done}; formats that can be: {', '.join(names(do))}")


def _options(name: str, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword `options` for a format that has any. Text (from a command line) becomes the field's own type."""
    made = getattr(get(name), kind, None)
    known = {f.name: f.type for f in fields(made)} if made else {}
    unknown = sorted(set(given) - set(known))
    if unknown:
        said = {"ReadOptions": "reading", "WriteOptions": "writing"}[kind]
        raise UnknownNameError(f"option for {said} {name}", unknown[0], known)
    if made is None:
        return {}
    values = {option: _typed(name, option, known[option], value) for option, value in given.items()}
    return {"options": made(**values)}


_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()],
}


def _typed(name: str, option: str, kind: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    wanted = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    convert = next((c for known, c in _FROM_TEXT.items() if known in str(wanted).split(" | ")), None)
    try:
        return value if convert is None else convert(value)
    except (ValueError, KeyError) as error:
        raise SettingsError(f"option {option} of {name} must be {wanted}, got {value!r}") from error
