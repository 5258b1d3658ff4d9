"""Attributes and filter keys of a file that is being written: as they were, except where no longer true."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from trajloom.formats.hdf5.layout import env_args_of
from trajloom.formats.hdf5.scan import raw
from trajloom.formats.hdf5.values import Typed, spell, value_of
from trajloom.schema import Header

Attrs = dict[str, Typed]
EPISODE = "trajloom_episode_index"
"""Attribute of an exported demonstration: its `episode_index`, which its name need not be."""


def demo_attrs(own: Mapping[str, Any], row: Mapping[str, Any], model: str | None, exact: bool) -> Attrs:
    """Attributes of a demonstration.

    Args:
        own: Those that it had.
        row: Its row of `episodes`.
        model: Its model XML.
        exact: Whether it came from HDF5, so that nothing is added.
    """
    attrs: Attrs = {name: dict(attr) for name, attr in own.items()}
    if "num_samples" in attrs or not exact:
        attrs["num_samples"] = _num_samples(attrs.get("num_samples", spell(0)), row["length"])
    kept = attrs.get("model_file")
    if kept is not None and kept.pop("model", False):
        del attrs["model_file"]
        if model is not None:
            attrs["model_file"] = {**kept, "value": model}
    elif kept is None and model is not None:
        attrs["model_file"] = spell(model)
    added = {name: row[name] for name in ("success", "seed", "task") if row[name] is not None}
    for name, value in added.items():
        if name in attrs and value_of(attrs[name]) != value and type(value_of(attrs[name])) is type(value):
            attrs[name] = {**attrs[name], "value": value}
        elif name not in attrs and not exact:
            attrs[name] = spell(value)
    if not exact:
        attrs[EPISODE] = spell(row["episode_index"])
    return attrs


def _num_samples(attr: Typed, length: int) -> Typed:
    attr = dict(attr)
    was = attr.pop("length", None)
    if was == length or type(value_of(attr)) is not int:  # wrong already in the source, whose episode this still is
        return attr
    return {**attr, "value": length}


def file_attrs(header: Header, episodes: int, steps: int, exact: bool) -> dict[str, Attrs]:
    """Attributes of the groups around the demonstrations, by path ("/" is the root).

    Args:
        header: The dataset's.
        episodes: How many were written.
        steps: How many were written.
        exact: Whether the dataset came from HDF5.
    """
    if not exact:
        data: Attrs = {"total": spell(steps)}
        if header.env_args is not None:
            data["env_args"] = spell(json.dumps(header.env_args, indent=4))
        return {"data": data}
    attrs = {path: dict(found) for path, found in header.attrs.items()}
    data = attrs.setdefault("data", {})
    unchanged = (episodes, steps) == (header.layout.get("episodes"), header.layout.get("steps"))
    if type(value_of(data.get("total"))) is int and not unchanged:
        data["total"] = {**data["total"], "value": steps}
    if header.env_args is not None and _text(env_args_of(data)[0]) != _text(header.env_args):
        data["env_args"] = spell(json.dumps(header.env_args, indent=4))
    return attrs


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def interface_attrs(header: Header) -> Attrs:
    """Which MimicGen interface a generated dataset's `datagen_info` was made with, so that it can be a source again."""
    generation = header.generation or {}
    task = generation.get("recipe", {}).get("task")
    name = generation.get("env_interface_name") or (task and "MG_" + "".join(w.title() for w in task.split("_")))
    if not name or not any(column.name.startswith("datagen_info/") for column in header.steps):
        return {}
    kind = generation.get("env_interface_type", "robosuite")
    return {"env_interface_name": spell(name), "env_interface_type": spell(kind)}


def mask_content(
    members: Sequence[str], known: Mapping[str, Any], names: Collection[str]
) -> tuple[str, tuple[int, ...], bytes]:
    """A filter key's array as (element type, shape, bytes).

    Args:
        members: Demonstrations that it lists, in the order that they were written in.
        known: What the source's array was, beyond the set of its names.
        names: All demonstrations that were written.
    """
    order = known.get("names")
    listed = list(members)
    if order == "sorted":
        listed.sort()
    elif order is not None:
        there, gone = set(members), set(known.get("unknown", ()))
        listed = [name for name in order if name in there or (name in gone and name not in names)]
        listed += [name for name in members if name not in set(order)]
    kind = known.get("dtype", "|S1")
    if not kind.startswith("|S"):
        return kind, (len(listed),), json.dumps(listed).encode()
    width = max([int(kind[2:]), *(len(raw(name)) for name in listed)])
    return f"|S{width}", (len(listed),), b"".join(raw(name).ljust(width, b"\0") for name in listed)
