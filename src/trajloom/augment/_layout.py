"""What the numbers of a column mean in space: one decision for all augmentations of geometry.

A layout is words for consecutive numbers of a row: "position xyzw vector same3". The words:

* `position`, `vector` (an offset, a linear velocity), `turn` (a rotation vector, an angular velocity): three numbers;
* `xyzw`, `wxyz`: a quaternion; `rotation`: a matrix (3, 3), nine numbers; `pose`: a matrix (4, 4), sixteen;
* `same`, `same3`: one or three numbers that have no direction;
* `joints`, `fingers`: angles and openings, as many numbers as the column has.

Before a word, `local_` says that it is seen from something that moves along (the hand, the robot's base) rather than
from the world, and `grip_` that it is the rotation of robosuite's grip site, whose x axis lies along a hand's y axis.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from trajloom.augment._robot import ACTIONS, robots_of
from trajloom.edit.columns import fits
from trajloom.edit.images import image_of
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.schema import Column, Header, path_of

SIZES = {"position": 3, "vector": 3, "turn": 3, "xyzw": 4, "wxyz": 4, "rotation": 9, "pose": 16}
WHOLE = ("joints", "fingers")
WORLD = ("world", "env")

_ARM = r"robot\d_(?:(?:left|right)_)?"
NAMES: tuple[tuple[str, str], ...] = (
    (_ARM + r"eef_pos", "position"),
    (_ARM + r"eef_quat_site", "grip_xyzw"),
    (_ARM + r"eef_quat", "xyzw"),
    (_ARM + r"eef_vel_lin", "vector"),
    (_ARM + r"eef_vel_ang", "turn"),
    (_ARM + r"joint_.*", "joints"),
    (_ARM + r"gripper_.*", "fingers"),
    (r"robot\d_base_to_.*eef_pos|.+_to_" + _ARM + r"eef_pos", "local_vector"),
    (r"robot\d_base_to_.*eef_quat|.+_to_" + _ARM + r"eef_quat", "local_xyzw"),
    (r".+_to_.+", "vector"),
    (r".+_pos", "position"),
    (r".+_quat", "xyzw"),
)
"""What robosuite calls observations -> what they are, the first that fits."""

OBJECTS = {"Lift": "position xyzw vector", "Stack": "position xyzw position xyzw vector vector vector"}
"""robosuite's environments whose object-state is the same in every version -> its layout."""

DATAGEN = {"eef_pose": "grip_pose", "target_pose": "grip_pose", "object_poses": "pose"}
ISAAC = {"root_velocity": "vector turn", "joint_position": "joints", "joint_velocity": "joints"}


@dataclass(frozen=True)
class Piece:
    """Some consecutive numbers of a row."""

    kind: str
    start: int
    stop: int
    local: bool = False
    """Whether it is seen from something that moves along."""
    grip: bool = False
    """Whether it is the rotation of robosuite's grip site."""


Layout = tuple[Piece, ...]


def layout_of(header: Header, column: Column, told: Mapping[str, str]) -> Layout | None:
    """The layout of a column of numbers; None where nobody says. `actions` and images are no such columns."""
    patterns = [pattern for pattern in told if fits(column.name, [pattern])]
    if patterns:
        return parsed(column, told[max(patterns, key=len)])
    words = _known(header, column)
    return None if words is None else parsed(column, words)


def check_told(header: Header, told: Mapping[str, str]) -> None:
    """That every pattern that a user gave a layout for fits a column, and every layout its columns."""
    names = [column.name for column in header.steps]
    unknown = [pattern for pattern in told if not any(fits(name, [pattern]) for name in names)]
    if unknown:
        raise UnknownNameError("column in steps", ", ".join(unknown), names)
    for column in header.steps:
        layout_of(header, column, told)


def parsed(column: Column, words: str) -> Layout:
    """A layout from its words; SettingsError where they do not fit the column."""
    pieces, at = [], 0
    for word in re.split(r"[\s+]+", words.strip()):
        local, grip = word.startswith("local_"), word.startswith("grip_")
        kind = word.removeprefix("local_").removeprefix("grip_")
        size = _size(kind, column)
        pieces.append(Piece("same" if kind.startswith("same") else kind, at, at + size, local, grip))
        at += size
    if at != column.size:
        raise SettingsError(f"{column.name} has {column.size} numbers, its layout {words!r} is for {at}")
    return tuple(pieces)


def _size(kind: str, column: Column) -> int:
    if kind in WHOLE:
        return column.size
    same = re.fullmatch(r"same(\d*)", kind)
    if same is not None:
        return int(same[1] or 1)
    if kind not in SIZES:
        raise UnknownNameError(f"word for the layout of {column.name}", kind, [*SIZES, *WHOLE, "same<N>"])
    return SIZES[kind]


# ---- what is known ---------------------------------------------------------------------------------------------


def _known(header: Header, column: Column) -> str | None:
    path = path_of(column.name)
    if path == "states":
        return None
    if not column.shape or not column.dtype.startswith("float"):
        return f"same{column.size}"
    group, _, rest = path.partition("/")
    if group == "datagen_info":
        return _tiled(column, DATAGEN.get(rest.split("/")[0], f"same{column.size}"))
    if column.frame is not None or (column.rotation is not None and not _is_robosuite(header)):
        return _framed(column)
    leaf = path.rpartition("/")[2]
    if leaf in ISAAC:
        return ISAAC[leaf]
    return _robosuites(header, column, leaf) if _is_robosuite(header) else None


def _tiled(column: Column, word: str) -> str:
    """A word as often as a column of several such things needs it."""
    size = SIZES.get(word.removeprefix("grip_"), column.size)
    return " ".join([word] * (column.size // size))


def _framed(column: Column) -> str | None:
    """Of a column that says its frame."""
    local = "" if column.frame in WORLD else "local_"
    if column.frame is None:
        return None
    if column.rotation == "matrix":
        return _tiled(column, local + ("pose" if column.shape[-2:] == (4, 4) else "rotation"))
    if column.shape[-2:] == (4, 4):
        return _tiled(column, f"{local}pose")
    if column.rotation is not None:
        beside = {4: "", 7: f"{local}position "}.get(column.shape[-1])
        return None if beside is None or len(column.shape) > 1 else f"{beside}{local}{column.rotation}"
    by_unit = {"m": "position", "m/s": "vector", "rad/s": "turn"}.get(column.unit or "")
    return f"{local}{by_unit}" if by_unit and column.shape == (3,) else None


def _is_robosuite(header: Header) -> bool:
    return bool(robots_of(header)) or (header.env_args or {}).get("type") == 1


def _robosuites(header: Header, column: Column, leaf: str) -> str | None:
    if leaf in ("object", "object-state"):
        words = OBJECTS.get(str((header.env_args or {}).get("env_name")))
        return words if words and column.size == sum(SIZES[word] for word in words.split()) else None
    for pattern, word in NAMES:
        kind = word.removeprefix("local_").removeprefix("grip_")
        if re.fullmatch(pattern, leaf) and (kind in WHOLE or SIZES[kind] == column.size):
            return word
    return None


# ---- a whole dataset -------------------------------------------------------------------------------------------


def unknowns(header: Header, told: Mapping[str, str]) -> Iterator[Column]:
    """The columns of `steps` whose numbers nobody says what they mean, but for `actions` and images."""
    for column in header.steps:
        if path_of(column.name) != ACTIONS and not image_of(column) and layout_of(header, column, told) is None:
            yield column


def settled(header: Header, lost: Iterable[Column], unknown: str, what: str) -> Header:
    """The header after what is to become of columns that cannot be changed rightly.

    Args:
        header: Before.
        lost: Columns of `steps` that cannot be; arrays that are one an episode never can.
        unknown: "refuse", "drop" or "keep".
        what: What cannot be done, for messages: "moved".

    Raises:
        SettingsError: There are any, and they are to be refused.
    """
    gone = [column.name for column in lost]
    gone += [column.name for column in header.episodes if column.shape]
    if not gone or unknown == "keep":
        return header
    if unknown == "refuse":
        raise SettingsError(
            f"it is not known how {', '.join(gone)} would be {what}; say what their numbers mean (layouts="
            f'{{"{gone[0]}": "position xyzw same3"}}), or drop or keep them all: unknown="drop", unknown="keep"'
        )
    steps = tuple(column for column in header.steps if column.name not in gone)
    episodes = tuple(column for column in header.episodes if column.name not in gone)
    said = f"left out, because it is not known how they would be {what}: {', '.join(gone)}"
    return header.with_(steps=steps, episodes=episodes, warnings=(*header.warnings, said))
