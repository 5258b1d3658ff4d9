"""Actions of robosuite's operational space control: from changes of the pose to target poses, and back."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from trajloom import mjcf, osc
from trajloom.edit.stream import along, by_episode
from trajloom.edit.view import PartView, View
from trajloom.errors import LayoutError, SettingsError, SourceError, UnknownNameError
from trajloom.formats import Part, Source
from trajloom.osc import RecordedController
from trajloom.poses import Poses, make, rotation_from_quat
from trajloom.schema import Header
from trajloom.tables import Array, to_arrow, to_numpy

To = Literal["absolute", "delta"]

ACTIONS = "actions"
POSE = "datagen_info/eef_pose"
POSITION = "obs/robot0_eef_pos"
SITE_QUAT = "obs/robot0_eef_quat_site"
HAND_QUAT = "obs/robot0_eef_quat"
POSES: tuple[tuple[str, ...], ...] = ((POSE,), (POSITION, SITE_QUAT), (POSITION, HAND_QUAT))
"""Columns that say where the controlled site is, the best first; the last needs the model for its rotation."""
HAND = "robot0_right_hand"
SITES = ("gripper0_right_grip_site", "gripper0_grip_site")
"""The site that the controller moves: since robosuite 1.5, and before."""
BASES = (("site", "robot0_right_center"), ("body", "robot0_base"))
"""The frame of actions since robosuite 1.5, or what stands for it."""


def actions(source: Source, to: To = "absolute") -> Source:
    """A dataset whose `actions` are target poses instead of changes of the pose, or changes instead of targets.

    For one arm under OSC_POSE or OSC_POSITION with fixed impedance, as the `controller_configs` in `env_args` say
    (robosuite 1.2 to 1.4, and 1.5's composite ones):

    * delta: metres and radians scaled from `output_min/max` to `input_min/max`, added to the reached position and
      multiplied from the left onto the reached rotation;
    * absolute: the target's position (3) in metres and rotation vector (3) in radians, unscaled;

    then the gripper's numbers, untouched; both in the controller's frame: the world, or since robosuite 1.5 the robot's
    base. `env_args` is changed to match (`input_type`, or `control_delta` before 1.5), so that robosuite told so plays
    the result. Other columns (`datagen_info/...`, `action_dict/...`) stay as they are.

    There and back gives the same actions to about 1e-9 in float64; in float32 to about 1e-5. Not where the controller
    clips a delta action, for which the clipped one counts, nor where a target is out of one step's reach, for which the
    longest step towards it stands: `clipped` counts those steps.

    The reached pose must be that of the site that the controller moves. It is `datagen_info/eef_pose`, else
    `robot0_eef_pos` with `robot0_eef_quat_site`. `robot0_eef_quat` is how the *hand's body* is turned, and most
    grippers are turned against it; where there is nothing better, the turn between them is read off each episode's
    model. Before robosuite 1.5 an action that asks for no turn leaves the last target rotation as it was; so it does
    here.

    Raises:
        UnknownNameError: `to` is neither.
        SettingsError: The actions are so already, or no settings, pose or controller of the kind above is there.
        SourceError: As it is read: an episode lacks the poses, or the model that is needed; or its actions cannot be
            what the settings say, as in files of which somebody changed the actions and not `env_args`.
    """
    if to not in ("absolute", "delta"):
        raise UnknownNameError("kind of actions", to, ("absolute", "delta"))
    conversion = conversion_of(source.header, source.models)
    if conversion.to != to:
        raise SettingsError(f"the actions are {to} already, say the controller_configs in env_args")
    return View(source, changed(source.header, to), conversion)


def conversion_of(header: Header, models: Callable[[], Mapping[str, str]]) -> "Conversion":
    """How a dataset's actions become those of the other kind; SettingsError as from `actions`.

    Args:
        header: Of the dataset.
        models: Called for SHA-256 -> model XML, where poses or base are read off models.
    """
    controller = _controller(header, *_settings(header))
    poses = _pose_columns(header, controller)
    needs_model = HAND_QUAT in poses or controller.base_frame
    to: To = "delta" if controller.absolute else "absolute"
    return Conversion(header, controller, to, poses, models() if needs_model else None)


def clipped(source: Source) -> dict[str, int]:
    """Name of an episode -> steps that were clipped when it was converted; those without are left out. Reads them."""
    found: dict[str, int] = {}
    for part in source.parts():
        for row in part.episodes().select(["name", "attrs"]).to_pylist():
            said = json.loads(row["attrs"] or "{}").get(ACTIONS, {})
            count = sum(said.get(_attr(to), {}).get("value", 0) for to in ("absolute", "delta"))
            found.update({row["name"]: count} if count else {})
    return found


def _attr(to: str) -> str:
    """The attribute of an episode's `actions` that counts clipped steps."""
    return f"clipped_to_{to}"


# ---- settings --------------------------------------------------------------------------------------------------


def _settings(header: Header) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The environment's arguments, and the controller's settings in them."""
    args = header.env_args or {}
    kwargs = args.get("env_kwargs")
    config = kwargs.get("controller_configs") if isinstance(kwargs, Mapping) else None
    if isinstance(config, list) and len(config) == 1:
        config = config[0]
    if not isinstance(config, Mapping):
        raise SettingsError("what actions mean is said by controller_configs in env_args; this dataset has none")
    robots = kwargs.get("robots") if isinstance(kwargs, Mapping) else None
    if isinstance(robots, list) and len(robots) > 1:
        raise SettingsError(f"actions of one arm can be converted; the environment has {len(robots)} robots")
    return args, config


def _controller(header: Header, args: Mapping[str, Any], config: Mapping[str, Any]) -> RecordedController:
    column = next((column for column in header.steps if column.name == ACTIONS), None)
    if column is None or len(column.shape) != 1 or not column.dtype.startswith("float"):
        found = "there are none" if column is None else f"they are {column.dtype} {column.shape}"
        raise SettingsError(f"actions must be floats (A,) to be converted; {found}")
    version = args.get("env_version")
    try:
        controller = RecordedController.from_config(config, version, column.shape[0])
    except (SourceError, ValueError) as error:
        raise SettingsError(f"these actions cannot be converted: {error}") from error
    if controller.transposed:
        raise SettingsError(f"robosuite {version} takes other absolute actions (Euler angles from the first pose)")
    return controller


def _pose_columns(header: Header, controller: RecordedController) -> tuple[str, ...]:
    """The columns to take the reached pose from."""
    there = {column.name for column in header.steps if column.when != "after"}
    ways = POSES if controller.arm_size == 6 else (*POSES, (POSITION,))
    for columns in ways:
        if there.issuperset(columns):
            return columns
    wanted = " or ".join(" with ".join(columns) for columns in ways)
    raise SettingsError(f"actions change the reached pose, which is {wanted}; the dataset has none of them")


def changed(header: Header, to: To) -> Header:
    """The header of a dataset whose actions were converted."""
    args, config = _settings(header)
    new: Any = osc.with_input(config, args.get("env_version"), to == "absolute")
    kwargs = args["env_kwargs"]
    new = [new] if isinstance(kwargs["controller_configs"], list) else new
    said = (
        f"actions were made {to}; steps that the controller clips"
        if to == "absolute"
        else f"actions were made {to}; steps whose target is out of reach"
    )
    warning = f"{said} are counted in the attribute `{_attr(to)}` of an episode's `actions`"
    return header.with_(
        env_args={**args, "env_kwargs": {**kwargs, "controller_configs": new}},
        warnings=(*header.warnings, warning),
    )


# ---- parts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Conversion:
    """What is done to every part; called with one."""

    header: Header
    controller: RecordedController
    to: To
    poses: tuple[str, ...]
    models: Mapping[str, str] | None
    """SHA-256 -> model XML, where poses or base are read off it."""

    def __call__(self, part: Part) -> "ConvertedPart":
        return ConvertedPart(part, self)

    def convert(self, rows: pa.Table, model: str | None) -> tuple[Array, Array]:
        """An episode's actions (T, A) and whether each was clipped (T,)."""
        reached, base = self.reached(rows, model)
        acts = self.actions(rows)
        wrong = self.controller.contradiction(reached, acts, base)
        if wrong:
            said = "control_delta or input_type of controller_configs in env_args"
            raise SourceError(f"its actions are not what {said} says: {wrong}; correct env_args first")
        turn = self.controller.to_absolute if self.to == "absolute" else self.controller.to_delta
        new, outside = turn(reached, acts, base)
        return new.astype(self.header.column(ACTIONS).dtype), outside

    def actions(self, rows: pa.Table) -> Array:
        """An episode's actions (T, A), float64."""
        return to_numpy(rows.column(ACTIONS), self.header.column(ACTIONS)).astype(np.float64)

    def reached(self, rows: pa.Table, model: str | None) -> tuple[Poses, Array]:
        """An episode's reached poses (T, 4, 4) of the controlled site in the world, and the pose (4, 4) of the base.

        The base is the identity where the controller does not ask for it. SourceError where the episode lacks poses,
        or the model that they are read off.
        """
        lacking = [name for name in self.poses if rows.column(name).null_count]
        if lacking:
            raise SourceError(f"it has no {' and no '.join(lacking)}, and so no reached poses")
        arrays = {name: to_numpy(rows.column(name), self.header.column(name)) for name in self.poses}
        frames = self._frames(model)
        return self._reached(arrays, frames), frames.base

    def _reached(self, arrays: Mapping[str, Array], frames: "Frames") -> Poses:
        """(T, 4, 4). Poses of the controlled site in the world."""
        if POSE in self.poses:
            return arrays[POSE].astype(np.float64)
        turn = np.broadcast_to(np.eye(3), (len(arrays[POSITION]), 3, 3))
        for name in self.poses[1:]:
            quat = arrays[name].astype(np.float64)
            if not np.linalg.norm(quat, axis=1).all():
                raise SourceError(f"{name} holds quaternions of four zeros, which are no rotations")
            turn = rotation_from_quat(quat[:, [3, 0, 1, 2]])
        if HAND_QUAT in self.poses:
            turn = turn @ frames.site_in_hand
        return make(arrays[POSITION].astype(np.float64), turn)

    def _frames(self, model: str | None) -> "Frames":
        """What is read off the model, where anything is."""
        if self.models is None:
            return Frames(np.eye(3), np.eye(4))
        xml = None if model is None else self.models.get(model)
        if xml is None:
            raise SourceError("it has no model, which says how gripper and base stand")
        root = mjcf.parse(xml)
        site = next((name for name in SITES if mjcf.has(root, "site", name)), SITES[0])
        kind, base = next((one for one in BASES if mjcf.has(root, *one)), BASES[0])
        return Frames(
            mjcf.site_in_body(root, site, HAND)[:3, :3] if HAND_QUAT in self.poses else np.eye(3),
            mjcf.pose_in_world(root, kind, base) if self.controller.base_frame else np.eye(4),
        )


@dataclass(frozen=True)
class Frames:
    """Where a robot's parts stand."""

    site_in_hand: Array
    """(3, 3). How the site that is controlled is turned against the hand's body."""
    base: Array
    """(4, 4). Of a base-frame controller."""


@dataclass(frozen=True)
class ConvertedPart(PartView):
    """A part of the source with other actions. Implements `formats.Part`."""

    by: Conversion

    def episodes(self) -> pa.Table:
        """With the number of clipped steps among their attributes."""
        table, counts = self.part.episodes(), self._counts
        rows = table.select(["episode_index", "attrs"]).to_pylist()
        attrs = [self._counted(row["attrs"], counts.get(row["episode_index"], 0)) for row in rows]
        at = table.schema.get_field_index("attrs")
        return table.set_column(at, table.schema.field(at), pa.array(attrs, type=pa.string()))

    def _counted(self, attrs: str, count: int) -> str:
        if not count:
            return attrs
        known = json.loads(attrs or "{}")
        own = {**known.get(ACTIONS, {}), _attr(self.by.to): {"dtype": "<i8", "value": count}}
        return json.dumps({**known, ACTIONS: own})

    @cached_property
    def _counts(self) -> dict[int, int]:
        """Episode -> steps that are clipped."""
        return {episode: int(outside.sum()) for episode, (_, outside) in self._converted()}

    @cached_property
    def _rows(self) -> dict[int, Mapping[str, Any]]:
        rows = self.part.episodes().select(["episode_index", "name", "model"]).to_pylist()
        return {row["episode_index"]: row for row in rows}

    def _converted(self) -> Iterator[tuple[int, tuple[Array | None, Array]]]:
        """Episode -> its new actions (None where it has none), and whether each was clipped."""
        wanted = ["episode_index", ACTIONS, *self.by.poses]
        for episode, rows in by_episode(self.part.steps(wanted)):
            if rows.column(ACTIONS).null_count == len(rows):
                yield episode, (None, np.zeros(len(rows), dtype=bool))
                continue
            row = self._rows[episode]
            try:
                yield episode, self.by.convert(rows, row["model"])
            except (SourceError, LayoutError) as error:
                raise SourceError(f"{row['name']}: {error}") from error

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        wanted = self.by.header.steps_schema.names if columns is None else list(columns)
        if ACTIONS not in wanted:
            yield from self.part.steps(wanted)
            return
        column, needed = self.by.header.column(ACTIONS), list(dict.fromkeys(["episode_index", *wanted]))
        at = needed.index(ACTIONS)
        for (new, _), start, rows in along(self.part.steps(needed), self._converted()):
            piece = to_arrow(None if new is None else new[start : start + rows.num_rows], column, rows.num_rows)
            yield rows.set_column(at, rows.schema.field(at), piece).select(wanted)
