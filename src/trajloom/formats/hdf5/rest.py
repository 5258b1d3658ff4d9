"""Reading what is no regular column: arrays of any type and shape as bytes, empty groups, links that lead nowhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from h5py import h5g, h5o

from trajloom.errors import DamagedFileError
from trajloom.formats.hdf5.attrs import Typed, read_attrs
from trajloom.formats.hdf5.file import Hdf5File, chunk_row_bytes
from trajloom.formats.hdf5.scan import UNREADABLE, first_line, portable, raw
from trajloom.formats.hdf5.storage import Signature, spellings, storage_of
from trajloom.formats.hdf5.values import read_bytes, type_of
from trajloom.tables import Rest

BATCH_BYTES = 16 << 20
POINTER_ROWS = 256
"""Rows of variable-length values that are read together: what they weigh is not known before."""


@dataclass(frozen=True)
class Extras:
    """What a file holds beside its demonstrations; paths are from the root."""

    datasets: tuple[str, ...] = ()
    empty_groups: tuple[str, ...] = ()
    others: tuple[tuple[str, str, bytes], ...] = ()


def rest_of(
    file: Hdf5File,
    group: h5g.GroupID,
    datasets: Sequence[str],
    empty_groups: Sequence[str],
    others: Sequence[tuple[str, str, bytes]],
    episode_index: int | None,
) -> Iterator[Rest]:
    """Rows of `rest` for what lies in a group."""
    for path in datasets:
        try:
            yield from array_rows(file, group, path, episode_index)
        except UNREADABLE as error:
            where = "" if episode_index is None else f"episode {episode_index}: "
            raise DamagedFileError(f"{file.path}: {where}{path} cannot be read ({first_line(error)})") from error
    for path in empty_groups:
        yield Rest(portable(path), "group", None, None, episode_index, attrs_at(file, group, path))
    for path, kind, content in others:
        yield Rest(portable(path), kind, None, content, episode_index)


def array_rows(file: Hdf5File, group: h5g.GroupID, path: str, episode_index: int | None) -> Iterator[Rest]:
    dataset = file.dataset(group, path)
    kind, shape = type_of(dataset.get_type()), dataset.shape
    attrs: dict[str, Any] = dict(read_attrs(dataset))
    if dataset.get_space().get_simple_extent_ndims() == 0 and shape is None:
        yield Rest(portable(path), kind.name, None, None, episode_index, {**attrs, "": {"null": True}})
        return
    storage = spellings(storage_of(dataset, kind), shape, kind.size)[-1]
    about = {"storage": storage} if storage else {}
    signature = Signature(kind, shape, storage_of(dataset, kind), False)
    most = rows_together(signature)
    if not shape or shape[0] <= most:
        head = {"": about} if about else {}
        yield Rest(portable(path), kind.name, shape, read_bytes(dataset, kind), episode_index, {**attrs, **head})
        return
    dataset = file.dataset(group, path, chunk_row_bytes(dataset))
    for start in range(0, shape[0], most):
        stop = min(start + most, shape[0])
        head = {"": {**about, "rows": [start, stop]}}
        content = read_bytes(dataset, kind, start, stop)
        yield Rest(portable(path), kind.name, shape, content, episode_index, {**attrs, **head})
        attrs = {}


def rows_together(signature: Signature) -> int:
    """Rows of an array that are read at once, so that memory does not grow with the file."""
    if not signature.kind.flat:
        return POINTER_ROWS
    rows = signature.shape[0] if signature.shape else 1
    return max(1, BATCH_BYTES * rows // max(1, signature.nbytes))


def attrs_at(file: Hdf5File, group: h5g.GroupID, path: str) -> dict[str, Typed]:
    """Attributes of a group or a dataset by its path."""
    return read_attrs(h5o.open(group, raw(path)))
