"""Attributes and filter keys of a file that is being written: as they were, except where no longer true."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from trajloom.formats.hdf5.attrs import Typed, spell, value_of
from trajloom.formats.hdf5.layout import env_args_of
from trajloom.formats.hdf5.scan import raw
from trajloom.schema import Header

Attrs = dict[str, Typed]
EPISODE = "trajloom_episode_index"
"""Attribute of an exported demonstration: its `episode_index`, which its name need not be."""


def demo_attrs(
    own: Mapping[str, Any], row: Mapping[str, Any], model: str | None, exact: bool, kind: str = "robomimic"
) -> Attrs:
    """Attributes of a demonstration.

    Args:
        own: Those that it had.
        row: Its row of `episodes`.
        model: Its model XML.
        exact: Whether it came from a file of the same layout, so that nothing is added.
        kind: Which attributes the layout gives a demonstration: see `Dialect.demo_attrs`.
    """
    if kind == "none" and not exact:
        return {}
    attrs: Attrs = {name: dict(attr) for name, attr in own.items()}
    if "num_samples" in attrs or not exact:
        attrs["num_samples"] = _num_samples(attrs.get("num_samples", spell(0)), row["length"])
    kept = attrs.get("model_file")
    if kept is not None and kept.pop("model", False):
        del attrs["model_file"]
        if model is not None:
            attrs["model_file"] = {**kept, "value": model}
    elif kept is None and model is not None and (exact or kind == "robomimic"):
        attrs["model_file"] = spell(model)
    added = {name: row[name] for name in ("success", "seed", "task") if row[name] is not None}
    for name, value in added.items():
        if name in attrs and value_of(attrs[name]) != value and type(value_of(attrs[name])) is type(value):
            attrs[name] = {**attrs[name], "value": value}
        elif name not in attrs and not exact and (kind == "robomimic" or name != "task"):
            attrs[name] = spell(value)
    if not exact and kind == "robomimic":
        attrs[EPISODE] = spell(row["episode_index"])
    return attrs


def _num_samples(attr: Typed, length: int) -> Typed:
    attr = dict(attr)
    was = attr.pop("length", None)
    if was == length or type(value_of(attr)) is not int:  # wrong already in the source, whose episode this still is
        return attr
    return {**attr, "value": length}


def kept_attrs(header: Header, episodes: int, steps: int) -> dict[str, Attrs]:
    """Attributes of the groups around demonstrations as they were, with true counts, by path ("/" is the root).

    Args:
        header: The dataset's.
        episodes: How many were written.
        steps: How many were written.
    """
    attrs = {path: dict(found) for path, found in header.attrs.items()}
    data = attrs.setdefault("data", {})
    unchanged = (episodes, steps) == (header.layout.get("episodes"), header.layout.get("steps"))
    for path, name, count in (("data", "total", steps), ("/", "n_episodes", episodes), ("/", "total_steps", steps)):
        of_layout = path == "data" or header.layout.get("format") == "simscaleai"
        found = attrs.get(path, {}).get(name)
        if of_layout and type(value_of(found)) is int and not unchanged:
            attrs[path][name] = {**(found or {}), "value": count}
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
