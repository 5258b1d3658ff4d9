"""An HDF5 file as it is, as dicts: for those who want h5py without its calls."""

import os
from typing import Any

import h5py

from trajloom.errors import HostileFileError
from trajloom.formats.hdf5.file import Hdf5File


def load_hdf5_group(group: h5py.Group) -> dict[str, Any]:
    """Everything in a group, read into memory: groups as dicts, datasets as h5py reads them (`dataset[()]`).

    Raises:
        HostileFileError: The group links to another file.
    """
    found: dict[str, Any] = {}
    for name in map(str, group):
        _must_be_inside(group, name)
        item = group.get(name)
        if isinstance(item, h5py.Group):
            found[name] = load_hdf5_group(item)
        elif isinstance(item, h5py.Dataset):
            found[name] = item[()]
    return found


def read_hdf5_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """All attributes of a file, without reading any array.

    Returns:
        `{"root_attrs": {...}, "groups": {path: {"attrs": {...}, "datasets": {name: {...}}}}}`: of every group, by its
        path from the root without a leading slash, its attributes and those of its datasets.

    Raises:
        LayoutError: It is no HDF5.
        HostileFileError: A group links to another file.
    """
    with Hdf5File(os.fspath(path)) as file:
        root = h5py.Group(file.root)
        groups: dict[str, Any] = {}
        _describe(root, "", groups)
        return {"root_attrs": dict(root.attrs), "groups": groups}


def _describe(group: h5py.Group, path: str, groups: dict[str, Any]) -> None:
    for name in map(str, group):
        _must_be_inside(group, name)
        item = group.get(name)
        if isinstance(item, h5py.Group):
            inner = f"{path}/{name}".lstrip("/")
            datasets = {n: dict(d.attrs) for n, d in _datasets(item)}
            groups[inner] = {"attrs": dict(item.attrs), "datasets": datasets}
            _describe(item, inner, groups)


def _datasets(group: h5py.Group) -> list[tuple[str, h5py.Dataset]]:
    for name in map(str, group):
        _must_be_inside(group, name)
    return [(name, item) for name in map(str, group) if isinstance(item := group.get(name), h5py.Dataset)]


def _must_be_inside(group: h5py.Group, name: str) -> None:
    if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
        raise HostileFileError(f"{group.name}/{name} is a link to another file, which we do not follow")
