"""Telling the layouts of the HDF5 family apart, by looking at little of a file."""

from collections.abc import Callable

from h5py import h5g

from trajloom.errors import TrajloomError
from trajloom.formats._place import local_file
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.export import format_of, mark_of
from trajloom.formats.hdf5.file import Hdf5File, has_signature
from trajloom.formats.hdf5.layout import is_demo
from trajloom.formats.hdf5.scan import UNREADABLE, opened, raw, text

Looks = Callable[[h5g.GroupID, h5g.GroupID | None], bool]
"""Whether a file, by its root and its first episode, has a layout."""


def is_layout(path: str, dialect: Dialect, looks: Looks) -> bool:
    """Whether a file has a layout: one that we exported says so itself, any other has the looks of it."""
    if not has_signature(path):
        return False
    try:
        with Hdf5File(local_file(path)) as file:
            return _is_layout(file.root, dialect, looks)
    except (TrajloomError, *UNREADABLE):
        return False


def _is_layout(root: h5g.GroupID, dialect: Dialect, looks: Looks) -> bool:
    group = opened(root, root, raw(dialect.folder)) if dialect.folder else root
    if not isinstance(group, h5g.GroupID):
        return False
    name = _first_demo(root, group, dialect)
    mark = mark_of(root, [name] if name else [], dialect)
    if mark is not None:
        return format_of(root, mark) == dialect.name
    return looks(root, opened(root, group, raw(name)) if name else None)


def _first_demo(root: h5g.GroupID, group: h5g.GroupID, dialect: Dialect) -> str | None:
    found: list[str] = []

    def look(name: bytes) -> bool | None:
        if dialect.number(text(name)) is None:
            return None  # goes on
        found.append(text(name))
        return True

    group.links.iterate(look)
    return found[0] if found and is_demo(root, group, found[0], dialect) else None


def has_group(root: h5g.GroupID, group: h5g.GroupID | None, path: str) -> bool:
    """Whether a group has a group at a path."""
    for step in path.split("/"):
        if not isinstance(group, h5g.GroupID):
            return False
        group = opened(root, group, raw(step))
    return isinstance(group, h5g.GroupID)
