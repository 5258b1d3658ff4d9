"""Names of RLDS and ours."""

import re
from collections.abc import Iterable

from trajloom.formats import _feature_paths

_PREFIXES = {
    "steps/observation/": "obs/",
    "observations/": "obs/",
    "next_observations/": "next_obs/",
    "steps/action/": "actions/",
    "steps/": "",
}
_WHOLE = {"steps/action": "actions", "steps/reward": "rewards", "steps/observation": "obs"}
INSTRUCTIONS = (
    "steps/language_instruction",
    "steps/observation/natural_language_instruction",
    "steps/natural_language_instruction",
    "steps/observation/language_instruction",
    "language",
    "language_instruction",
    "episode_metadata/language_instruction",
)
"""Where datasets keep what they ask of the robot; the first that is there becomes the episode's `task`."""

_FILE = re.compile(r"(?P<stem>.+?)(-(?P<split>[^-]+))?\.tfrecord(-(?P<shard>\d+)-of-(?P<of>\d+))?")


def path_of_name(name: str) -> str:
    """The path of a feature in a robomimic demonstration: `steps/observation/x` is `obs/x`."""
    return _feature_paths.path_of_name(name, _WHOLE, _PREFIXES)


def paths_of(names: Iterable[str]) -> dict[str, str]:
    """Name -> path; where two would be one, or one lie inside another, the later keeps its own name."""
    return _feature_paths.paths_of(names, _WHOLE, _PREFIXES)


def file_parts(name: str) -> tuple[str, str | None, int, int] | None:
    """A file's stem, split, number and how many there are: `x-train.tfrecord-00000-of-00002`; None: no TFRecord."""
    found = _FILE.fullmatch(name)
    if found is None:
        return None
    return found["stem"], found["split"], int(found["shard"] or 0), int(found["of"] or 1)
