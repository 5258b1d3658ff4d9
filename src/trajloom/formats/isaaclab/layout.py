"""What sets Isaac Lab's HDF5 apart: the order of quaternions, states after the step, initial states.

Source: isaaclab/utils/datasets/hdf5_dataset_file_handler.py and its recorders (facts only).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from h5py import h5g

from trajloom.formats.hdf5.attrs import Typed, read_attr, spell, value_of
from trajloom.formats.hdf5.dialect import Attrs, Dialect
from trajloom.formats.hdf5.layout import env_args_of
from trajloom.formats.hdf5.recognise import has_group
from trajloom.formats.hdf5.scan import opened
from trajloom.schema import Column, Header, path_of

ISAAC_TYPE = 2
"""robomimic's number for environments of Isaac."""
VERSION = "format_version"
"""Attribute of the root: from 1 on quaternions are xyzw, before that (or without it) wxyz."""
ASSETS = ("articulation", "rigid_object", "deformable_object")


def about(column: Column, attrs: Attrs) -> Column:
    """What Isaac Lab says of a column: frame and order of quaternion of root poses, matrices of MimicGen's poses."""
    path = path_of(column.name)
    if _is_root_pose(column):
        return replace(column, rotation=_order(value_of(attrs.get("/", {}).get(VERSION))), frame="env", unit="m")
    if path.startswith("obs/datagen_info/") and column.shape == (4, 4):
        return replace(column, rotation="matrix", unit="m")
    return column


def _order(version: Any) -> str:
    return "xyzw" if isinstance(version, int) and version >= 1 else "wxyz"


def _is_root_pose(column: Column) -> bool:
    steps = path_of(column.name).split("/")
    return steps[0] in ("states", "initial_state") and steps[-1] == "root_pose" and column.shape[-1:] == (7,)


def version_for(columns: Iterable[Column]) -> int:
    """The version that suits the quaternions of root poses: 0 where all that are known are wxyz, else 1."""
    known = {column.rotation for column in columns if _is_root_pose(column)} - {None}
    return 0 if known == {"wxyz"} else 1


def holds(column: Column, header: Header) -> bool:
    """Whether a column's quaternions have the order that the file will say; those that have not are kept aside."""
    order = _order(version_for((*header.steps, *header.episodes)))
    return not _is_root_pose(column) or column.rotation in (None, order)


def file_attrs(header: Header, episodes: int, steps: int) -> dict[str, Any]:
    """Attributes of the root and of `data` for a dataset from elsewhere."""
    env_args = header.env_args if header.env_args is not None else {"env_name": "", "type": ISAAC_TYPE}
    data: Mapping[str, Typed] = {"total": spell(steps), "env_args": spell(json.dumps(env_args))}
    return {"/": {VERSION: spell(version_for((*header.steps, *header.episodes)))}, "data": dict(data)}


def looks(root: h5g.GroupID, episode: h5g.GroupID | None) -> bool:
    """Whether a file is Isaac Lab's: it has a version, an environment of Isaac's type, or states of assets."""
    if read_attr(root, VERSION) is not None:
        return True
    data = opened(root, root, b"data")
    env_args = read_attr(data, "env_args") if isinstance(data, h5g.GroupID) else None
    found = env_args_of({"env_args": env_args})[0] if env_args else None
    if found is not None and found.get("type") == ISAAC_TYPE:
        return True
    places = [f"{head}/{asset}" for head in ("states", "initial_state") for asset in ASSETS]
    return any(has_group(root, episode, place) for place in places)


ISAACLAB = Dialect(
    name="isaaclab",
    expected="a group `data` of demonstrations `demo_<i>` (Isaac Lab: attributes `total`, `env_args`)",
    known_attrs=frozenset({"total", "env_args"}),
    when={"obs": "before", "actions": "before", "states": "after", "processed_actions": "after"},
    once=("initial_state",),
    about=about,
    holds=holds,
    file_attrs=file_attrs,
    demo_attrs="isaaclab",
    lineage=False,
    seeds=True,
    storage={"chunks": "guess", "filters": [[1, 1, [4]]]},
)
