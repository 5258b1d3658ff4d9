"""How a dataset lies in its file: layout, chunks, filters, maximal shape, fill value; and how to lay one out so again.

One description serves all the episodes of a column, whatever their lengths: a dimension that is the number of rows is
"T", and chunks that are what h5py would guess for the shape are "guess".
"""

import base64
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from h5py import h5d, h5p, h5s, h5z

from trajloom.errors import HostileFileError
from trajloom.formats.hdf5.values import ElementType

Shape = tuple[int, ...]
Json = dict[str, Any]


class Storage(NamedTuple):
    """How one dataset lies in its file."""

    layout: int = h5d.CONTIGUOUS
    chunks: Shape | None = None
    filters: tuple[tuple[int, int, tuple[int, ...]], ...] = ()
    """(code, flags, the values that one gives when asking for the filter)"""
    maxshape: tuple[int | None, ...] | None = None
    """None where it is the shape; None for a dimension without limit."""
    fill: bytes | None = None
    """The fill value in the file's own type, where someone set one."""


PLAIN = Storage()


class Signature(NamedTuple):
    """All that can be said of a dataset without reading it."""

    kind: ElementType
    shape: tuple[int, ...]
    storage: Storage
    null: bool
    """A dataspace without any extent, as h5py.Empty writes it."""

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.kind.size


def storage_of(dataset: h5d.DatasetID, kind: ElementType) -> Storage:
    """How a dataset lies in its file; HostileFileError where its data lies in another one."""
    plist = dataset.get_create_plist()
    layout = plist.get_layout()
    if layout == h5d.VIRTUAL or (layout == h5d.CONTIGUOUS and plist.get_external_count()):
        raise HostileFileError("its data lies in another file (virtual or external storage), which we do not open")
    fill = None
    if plist.fill_value_defined() == h5d.FILL_VALUE_USER_DEFINED and kind.flat and not kind.name.startswith("hdf5:"):
        value = np.zeros((), dtype=kind.dtype)
        plist.get_fill_value(value)
        fill = value.tobytes()
    if layout != h5d.CHUNKED:
        return Storage(layout, fill=fill) if layout != h5d.CONTIGUOUS or fill else PLAIN
    limits = dataset.get_space().get_simple_extent_dims(True)
    maxshape = tuple(None if n == h5s.UNLIMITED else int(n) for n in limits)
    return Storage(
        layout=layout,
        chunks=tuple(map(int, plist.get_chunk())),
        filters=tuple(_filter(*plist.get_filter(i)[:3]) for i in range(plist.get_nfilters())),
        maxshape=None if maxshape == dataset.shape else maxshape,
        fill=fill,
    )


def _filter(code: int, flags: int, values: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
    # these write their own parameters behind, or instead of, the user's when a dataset is made
    asked = {
        h5z.FILTER_SHUFFLE: 0,
        h5z.FILTER_NBIT: 0,
        h5z.FILTER_LZF: 0,
        h5z.FILTER_SCALEOFFSET: 2,
        h5z.FILTER_SZIP: 2,
    }
    return int(code), int(flags), tuple(map(int, values[: asked.get(code, len(values))]))


@lru_cache(maxsize=100_000)
def guessed_chunks(shape: Shape, item_bytes: int) -> Shape:
    """The chunks that h5py chooses: halve one dimension after another until a chunk has about 16 KiB * 2^log10(MiB)."""
    chunks = [n or 1024 for n in shape]
    wanted = 16 * 1024 * 2 ** math.log10(math.prod(chunks) * item_bytes / 1024**2)
    wanted = min(max(wanted, 8 * 1024), 1024**2)
    turn = 0
    while math.prod(chunks) > 1:
        size = math.prod(chunks) * item_bytes
        if (size < wanted or abs(size - wanted) / wanted < 0.5) and size < 1024**2:
            break
        chunks[turn % len(chunks)] = -(-chunks[turn % len(chunks)] // 2)
        turn += 1
    return tuple(chunks)


# ---- as JSON, for any number of rows ---------------------------------------------------------------------------


def spellings(storage: Storage, shape: Shape, item_bytes: int) -> list[Json]:
    """The ways to say it in JSON, the most general first."""
    if storage.layout == h5d.COMPACT:
        return [{"layout": "compact", **_fill(storage)}]
    if storage.layout == h5d.CONTIGUOUS:
        return [_fill(storage)]
    assert storage.chunks is not None
    chunks: list[Any] = []
    if storage.chunks == guessed_chunks(shape, item_bytes):
        chunks.append("guess")
    if storage.chunks[0] == shape[0]:
        chunks.append(["T", *storage.chunks[1:]])
    chunks.append(list(storage.chunks))
    limits: list[Any] = [None]
    if storage.maxshape is not None:
        limits = [["T" if i == 0 and m == shape[0] else m for i, m in enumerate(storage.maxshape)]]
        limits.append(list(storage.maxshape))
    more = {"filters": [[c, f, list(v)] for c, f, v in storage.filters]} if storage.filters else {}
    return [
        {"chunks": c, **more, **({"maxshape": m} if m is not None else {}), **_fill(storage)}
        for m in limits
        for c in chunks
    ]


def _fill(storage: Storage) -> Json:
    return {} if storage.fill is None else {"fill": base64.b64encode(storage.fill).decode()}


def common_spelling(found: Iterable[tuple[Storage, Shape, int, int]]) -> Json:
    """The spelling that fits the most datasets, of (storage, shape, bytes an element, how many such there are)."""
    votes: Counter[str] = Counter()
    by_key: dict[str, Json] = {}
    for storage, shape, item_bytes, times in found:
        for spelling in spellings(storage, shape, item_bytes):
            key = repr(spelling)
            by_key.setdefault(key, spelling)
            votes[key] += times
    return by_key[max(votes, key=lambda key: votes[key])] if votes else {}


# ---- laying out again ------------------------------------------------------------------------------------------


def created(spelling: Mapping[str, Any], shape: Shape, kind: ElementType) -> tuple[h5s.SpaceID, h5p.PropDCID]:
    """Space and creation properties of a dataset that is to lie as described."""
    limits = spelling.get("maxshape")
    maxshape = tuple(shape[0] if n == "T" else h5s.UNLIMITED if n is None else max(n, s)
                     for n, s in zip(limits, shape, strict=True)) if limits else None  # fmt: skip
    chunks = spelling.get("chunks")
    if chunks is not None:
        chunks = guessed_chunks(shape, kind.size) if chunks == "guess" else tuple(
            max(1, shape[0]) if n == "T" else int(n) for n in chunks)  # fmt: skip
        if maxshape is None:  # a chunk may be no longer than a dimension that cannot grow
            chunks = tuple(min(n, max(1, s)) for n, s in zip(chunks, shape, strict=True))
    filters = tuple((code, flags, tuple(values)) for code, flags, values in spelling.get("filters", ()))
    plist = _plist(chunks, filters, spelling.get("layout") == "compact", spelling.get("fill"), kind.name)
    return (h5s.create_simple(shape, maxshape) if shape else h5s.create(h5s.SCALAR)), plist


@lru_cache(maxsize=10_000)
def _plist(chunks: Shape | None, filters: tuple, compact: bool, fill: str | None, type_name: str) -> h5p.PropDCID:
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_obj_track_times(False)
    if compact:
        plist.set_layout(h5d.COMPACT)
    if chunks is not None:
        plist.set_chunk(chunks)
    for code, flags, values in filters:
        plist.set_filter(code, flags, values)
    if fill is not None:
        plist.set_fill_value(np.frombuffer(base64.b64decode(fill), dtype=type_name).reshape(()))
    return plist


def is_lossy(spelling: Mapping[str, Any]) -> bool:
    """Whether writing so may change values."""
    return any(code == h5z.FILTER_SCALEOFFSET for code, _, _ in spelling.get("filters", ()))


def lossless(spelling: Mapping[str, Any]) -> Json:
    """The same without the filters that may change values."""
    kept = [entry for entry in spelling.get("filters", ()) if entry[0] != h5z.FILTER_SCALEOFFSET]
    return {**spelling, "filters": kept} if "filters" in spelling else dict(spelling)
