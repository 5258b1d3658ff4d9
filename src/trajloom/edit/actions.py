"""Actions of robosuite's operational space control: from changes of the pose to target poses, and back."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from trajloom import osc
from trajloom.edit.converted import ACTIONS, HAND_QUAT, POSE, POSITION, SITE_QUAT, Conversion, To, attr_of
from trajloom.edit.view import View
from trajloom.errors import SettingsError, SourceError, UnknownNameError
from trajloom.formats import Source
from trajloom.osc import RecordedController
from trajloom.schema import Header

POSES: tuple[tuple[str, ...], ...] = ((POSE,), (POSITION, SITE_QUAT), (POSITION, HAND_QUAT))
"""Columns that say where the controlled site is, the best first; the last needs the model for its rotation."""


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


def conversion_of(header: Header, models: Callable[[], Mapping[str, str]]) -> Conversion:
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
            count = sum(said.get(attr_of(to), {}).get("value", 0) for to in ("absolute", "delta"))
            found.update({row["name"]: count} if count else {})
    return found


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
    warning = f"{said} are counted in the attribute `{attr_of(to)}` of an episode's `actions`"
    return header.with_(
        env_args={**args, "env_kwargs": {**kwargs, "controller_configs": new}},
        warnings=(*header.warnings, warning),
    )
