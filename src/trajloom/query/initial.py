"""Where objects stand when episodes begin, and how much of that the successes cover."""

import re
from collections.abc import Callable, Iterator

import polars as pl

from trajloom.dataset import Dataset
from trajloom.errors import SettingsError
from trajloom.query.component import component
from trajloom.schema import Column, Header, path_of

POSES = re.compile(r"(?:obs/)?datagen_info/object_poses?/(?P<name>.+)")
"""Columns of 4x4 poses: MimicGen's and Isaac Lab's Mimic."""
ROOTS = re.compile(r"(?:states|initial_state)/(?:rigid_object|articulation)/(?P<name>.+)/root_pose")
"""Isaac Lab's states: position and quaternion."""
POSITIONS = re.compile(r"obs/(?P<name>(?!.*(?:robot|eef|gripper|joint|_to_)).+)_pos")
"""robosuite's observations of single objects."""
OBJECT_STATES = {
    "Lift": {"cube": 0}, "Stack": {"cubeA": 0, "cubeB": 7}, "NutAssemblySquare": {"SquareNut": 0},
    "PickPlaceCan": {"Can": 0},
}  # fmt: skip
"""Environment of robosuite -> object -> where in `obs/object` its position and quaternion (xyzw) begin."""
POSE = {"x": pl.Float64, "y": pl.Float64, "z": pl.Float64, "yaw": pl.Float64}
INITIAL = {"episode_index": pl.Int64, "success": pl.Boolean, "object": pl.String, **POSE}
Numbers = Callable[..., pl.Expr]


def initial_poses(dataset: Dataset) -> pl.LazyFrame:
    """Where each object stood at the first step of each episode.

    Columns: `episode_index`, `success`, `object`; `x`, `y`, `z` in m and `yaw` in rad (how far it is turned about the
    vertical; null where no rotation is known). No rows where the dataset has no column that we know for object poses:
    MimicGen's `datagen_info/object_poses/*`, robosuite's `obs/<object>_pos` and `obs/object` of tasks that we know,
    Isaac Lab's `states` and `initial_state`.
    """
    for table, columns in (("steps", dataset.header.steps), ("episodes", dataset.header.episodes)):
        found = list(_poses(columns, dataset.header))
        if found:
            rows = dataset.steps().filter(pl.col("frame_index") == 0) if table == "steps" else dataset.episodes()
            break
    else:
        return pl.LazyFrame(schema=INITIAL)
    each = [pl.struct(pl.lit(name).alias("object"), *pose) for name, pose in found]
    standing = rows.select("episode_index", pose=pl.concat_list(each)).explode("pose").unnest("pose")
    joined = standing.join(dataset.episodes().select("episode_index", "success"), on="episode_index", how="left")
    return joined.drop_nulls("x").select(*INITIAL).sort("episode_index", "object")


def _poses(columns: tuple[Column, ...], header: Header) -> Iterator[tuple[str, list[pl.Expr]]]:
    """Names of objects, and expressions of their x, y, z and yaw; of several kinds of columns the first that is."""
    for kind in (_matrices, _roots, _positions, _object_state):
        found = list(kind(columns, header))
        if found:
            yield from found
            return


def _matrices(columns: tuple[Column, ...], header: Header) -> Iterator[tuple[str, list[pl.Expr]]]:
    for column in columns:
        match = POSES.fullmatch(path_of(column.name))
        if match and column.shape == (4, 4):
            xyz = [component(column, i, 3) for i in range(3)]
            yield match["name"], _named(xyz, pl.arctan2(component(column, 1, 0), component(column, 0, 0)))


def _roots(columns: tuple[Column, ...], header: Header) -> Iterator[tuple[str, list[pl.Expr]]]:
    for column in columns:
        match = ROOTS.fullmatch(path_of(column.name))
        if match and column.size == 7 and "articulation" not in column.name:
            yield match["name"], _of_seven(column, 0, column.rotation)


def _positions(columns: tuple[Column, ...], header: Header) -> Iterator[tuple[str, list[pl.Expr]]]:
    known = {column.name: column for column in columns}
    for column in columns:
        match = POSITIONS.fullmatch(path_of(column.name))
        if match and column.shape == (3,):
            quat = known.get(column.name.removesuffix("pos") + "quat")
            turned = None if quat is None or quat.shape != (4,) else _yaw(quat, 0, quat.rotation or "xyzw")
            yield match["name"], _named([component(column, i) for i in range(3)], turned)


def _object_state(columns: tuple[Column, ...], header: Header) -> Iterator[tuple[str, list[pl.Expr]]]:
    where = OBJECT_STATES.get(str((header.env_args or {}).get("env_name")), {})
    for column in columns:
        if column.name == "obs/object" and len(column.shape) == 1:
            for name, start in where.items():
                if start + 7 <= column.size:
                    yield name, _of_seven(column, start, "xyzw")


def _of_seven(column: Column, start: int, order: str | None) -> list[pl.Expr]:
    """A position and a quaternion from the place `start` of a flat column on."""
    ahead = (0,) * (len(column.shape) - 1)
    xyz = [component(column, *ahead, start + i) for i in range(3)]
    return _named(xyz, _yaw(column, start + 3, order, ahead) if order else None)


def _yaw(column: Column, start: int, order: str, ahead: tuple[int, ...] = ()) -> pl.Expr:
    x, y, z, w = (component(column, *ahead, start + order.index(c)) for c in "xyzw")
    return pl.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def _named(xyz: list[pl.Expr], yaw: pl.Expr | None) -> list[pl.Expr]:
    turned = pl.lit(None, pl.Float64) if yaw is None else yaw
    return [value.alias(name) for name, value in zip(POSE, (*xyz, turned), strict=True)]


def coverage(dataset: Dataset, cell_m: float = 0.02) -> pl.LazyFrame:
    """How often objects stood in each cell of a grid when episodes began.

    Columns: `object`; `x` and `y`, the middle of the cell in m; `episodes`, and how many of them are known `successes`
    and `failures`. Cells where none stood have no row.

    Args:
        dataset: See `initial_poses`.
        cell_m: Width of a cell.

    Raises:
        SettingsError: The width is not above 0.
    """
    if not cell_m > 0:
        raise SettingsError(f"cell_m must be above 0, got {cell_m}")
    cell = [((pl.col(axis) / cell_m).floor() + 0.5) * cell_m for axis in ("x", "y")]
    counted = initial_poses(dataset).with_columns(*cell).group_by("object", "x", "y").agg(
        episodes=pl.len(), successes=pl.col("success").sum(), failures=(~pl.col("success")).sum()
    )  # fmt: skip
    return counted.sort("object", "x", "y")


def initial_ranges(dataset: Dataset) -> pl.LazyFrame:
    """How far apart objects stood when episodes began.

    Columns: `object`, `episodes`, and of each of `x`, `y`, `z` (m) and `yaw` (rad) the least and the most:
    `x_min`, `x_max`, ....
    """
    ends = {f"{axis}_{end}": getattr(pl.col(axis), end)() for axis in POSE for end in ("min", "max")}
    return initial_poses(dataset).group_by("object").agg(episodes=pl.len(), **ends).sort("object")
