"""What sets SimScaleAI's HDF5 apart: episodes in the root, `observations`, attributes of the root alone."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from h5py import h5g

from trajloom.errors import UnknownNameError
from trajloom.formats.hdf5.attrs import spell
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.recognise import has_group
from trajloom.formats.hdf5.scan import opened
from trajloom.schema import Header

STEMS = {"episode_00000": "episode_{:05d}", "episode_0": "episode_{}"}


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """Settings of writing."""

    names: Literal["episode_00000", "episode_0"] | None = None
    """How episodes are named: as SimScaleAI names them, or as its documents say. None keeps the names of a dataset that
    came from such a file, and is "episode_00000" for any other."""

    def __post_init__(self) -> None:
        if self.names is not None and self.names not in STEMS:
            raise UnknownNameError("way to name episodes", self.names, STEMS)


def file_attrs(header: Header, episodes: int, steps: int) -> dict[str, Any]:
    """Attributes of the root for a dataset from elsewhere."""
    env_name = (header.env_args or {}).get("env_name")
    named = {"env_name": spell(env_name)} if isinstance(env_name, str) else {}
    return {"/": {**named, "n_episodes": spell(episodes), "total_steps": spell(steps)}}


def looks(root: h5g.GroupID, episode: h5g.GroupID | None) -> bool:
    """Whether a file is SimScaleAI's: an episode in its root has observations and actions."""
    return has_group(root, episode, "observations") and opened(root, episode, b"actions") is not None


SIMSCALEAI = Dialect(
    name="simscaleai",
    folder="",
    pattern=r"episode_([0-9]{1,18})",
    stem=STEMS["episode_00000"],
    expected="groups `episode_<i>` with `observations`, `actions` and `rewards` (SimScaleAI: root attributes "
    "`env_name`, `n_episodes`)",
    known_attrs=frozenset({"env_name", "n_episodes"}),
    prefixes={"obs": "observations"},
    when={"obs": "before"},
    file_attrs=file_attrs,
    demo_attrs="none",
    masks=False,
    lineage=False,
    says_environment=False,
    storage={"chunks": "guess", "filters": [[1, 1, [4]]]},
)


def named(options: WriteOptions) -> Dialect:
    """The layout with episodes named as asked."""
    return replace(SIMSCALEAI, stem=STEMS[options.names], renames=True) if options.names else SIMSCALEAI
