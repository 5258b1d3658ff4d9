"""Layouts of the HDF5 family: where episodes lie, what they are called, what an array's path means."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trajloom.formats.hdf5.attrs import Typed, spell
from trajloom.schema import Column, Header

Attrs = Mapping[str, Mapping[str, Typed]]
"""Path of a group or array -> its attributes, typed."""


def as_it_is(column: Column, attrs: Attrs) -> Column:
    """What is known of a column by its path and the file's attributes: no more than it says."""
    return column


def nothing(header: Header, episodes: int, steps: int) -> dict[str, Any]:
    """Attributes of a file that has none."""
    return {}


def always(column: Column, header: Header) -> bool:
    """Whether a column can lie among a layout's own."""
    return True


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One layout."""

    name: str
    """Of the format."""
    folder: str = "data"
    """Group in which the episodes lie; "" is the file's root."""
    pattern: str = r"demo_?([0-9]{1,18})"
    """What names of episodes look like, with their number."""
    stem: str = "demo_{}"
    """How new ones are named."""
    expected: str = ""
    """The layout, in words."""
    known_attrs: frozenset[str] = frozenset()
    """Attributes of `folder` that tell a file of this layout which has no episodes."""
    prefixes: Mapping[str, str] = field(default_factory=dict)
    """Our first step of a path -> theirs."""
    when: Mapping[str, Literal["before", "after"]] = field(default_factory=dict)
    """First step of a path -> when its values were taken."""
    once: tuple[str, ...] = ()
    """First steps of the paths of arrays that are always one an episode."""
    about: Callable[[Column, Attrs], Column] = as_it_is
    """Adds what the layout says of a column."""
    holds: Callable[[Column, Header], bool] = always
    """Whether a column of a dataset from elsewhere can lie among the layout's own."""
    file_attrs: Callable[[Header, int, int], dict[str, Any]] = nothing
    """Attributes of the groups around the episodes, for a dataset from elsewhere of so many episodes and steps."""
    renames: bool = False
    """Whether episodes are named anew also where they have names of the layout."""
    demo_attrs: Literal["robomimic", "isaaclab", "none"] = "robomimic"
    """Which attributes an episode of a dataset from elsewhere is given."""
    masks: bool = True
    """Whether filter keys lie in `mask`."""
    lineage: bool = True
    """Whether lineage of generated steps, and MimicGen's account of it, lie in the episodes."""
    seeds: bool = False
    """Whether an episode's attribute `seed` is its seed."""
    scalars: bool = False
    """Whether single numbers are columns of `episodes` rather than kept in `rest`."""
    outcome: str | None = None
    """Data column of `episodes` that says whether an episode succeeded."""
    says_environment: bool = True
    """Whether a file should say its environment (`env_args`)."""
    storage: Mapping[str, Any] = field(default_factory=dict)
    """How new arrays lie."""

    def at(self, name: str) -> str:
        """Path of an episode."""
        return f"{self.folder}/{name}" if self.folder else name

    def number(self, name: str) -> int | None:
        """Number of an episode of this name; None where it is none."""
        found = re.fullmatch(self.pattern, name)
        return int(found[1]) if found else None

    def ours(self, path: str) -> str:
        """Our path of an array of an episode."""
        head, slash, tail = path.partition("/")
        known = {theirs: ours for ours, theirs in self.prefixes.items()}
        return known.get(head, head) + slash + tail if slash else path

    def theirs(self, path: str) -> str:
        """The inverse of `ours`."""
        head, slash, tail = path.partition("/")
        return self.prefixes.get(head, head) + slash + tail if slash else path


def robomimic_attrs(header: Header, episodes: int, steps: int) -> dict[str, Any]:
    """Attributes of the groups around new demonstrations, by path."""
    data: dict[str, Typed] = {"total": spell(steps)}
    if header.env_args is not None:
        data["env_args"] = spell(json.dumps(header.env_args, indent=4))
    return {"data": data}


BEFORE_AND_AFTER: Mapping[str, Literal["before", "after"]] = {
    "next_obs": "after",
    "obs": "before",
    "states": "before",
    "datagen_info": "before",
}

ROBOMIMIC = Dialect(
    name="hdf5",
    expected="a group `data` of demonstrations `demo_<i>` (robomimic, MimicGen: attributes `total`, `env_args`; "
    "robosuite teleoperation: attributes `env`, `env_info`, `repository_version`)",
    known_attrs=frozenset({"total", "env_args", "env", "env_info", "repository_version"}),
    when=BEFORE_AND_AFTER,
    file_attrs=robomimic_attrs,
)
