"""What a dataset's actions mean, as far as the controller in `env_args` says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajloom.errors import SettingsError, SourceError
from trajloom.osc import RecordedController
from trajloom.schema import Column, Header

ACTIONS = "actions"


@dataclass(frozen=True)
class Arm:
    """One robot's share of an action: its arm, then its gripper."""

    controller: RecordedController
    start: int
    """Its first number of the action."""
    stop: int
    """The number after its last."""

    @property
    def arm(self) -> slice:
        """The arm's numbers."""
        return slice(self.start, self.start + self.controller.arm_size)

    @property
    def gripper(self) -> range:
        """The gripper's numbers."""
        return range(self.start + self.controller.arm_size, self.stop)


def robots_of(header: Header) -> list[str]:
    """Names of robosuite's robots, such as "Panda"; none where `env_args` does not say."""
    robots = _kwargs(header).get("robots", [])
    return [robots] if isinstance(robots, str) else [str(robot) for robot in robots or ()]


def arms_of(header: Header, actions: Column) -> list[Arm]:
    """The arms that actions (A,) are for, by robosuite's `controller_configs`; SettingsError where those do not say."""
    configs = _kwargs(header).get("controller_configs")
    if not isinstance(configs, Mapping | list) or not configs:
        raise SettingsError(f"what {actions.name} mean is said by controller_configs in env_args; there are none")
    count = max(len(robots_of(header)), 1)
    per_robot = configs if isinstance(configs, list) else [configs] * count
    if len(actions.shape) != 1 or actions.size % count or len(per_robot) != count:
        raise SettingsError(
            f"{actions.name} of shape {actions.shape} are no equal shares of {count} robots with "
            f"{len(per_robot)} controllers"
        )
    share, version = actions.size // count, (header.env_args or {}).get("env_version")
    try:
        found = [RecordedController.from_config(config, version, share) for config in per_robot]
    except (SourceError, ValueError, AttributeError) as error:
        raise SettingsError(f"what {actions.name} mean is not known: {error}") from error
    return [Arm(one, at * share, (at + 1) * share) for at, one in enumerate(found)]


def _kwargs(header: Header) -> Mapping[str, Any]:
    kwargs = (header.env_args or {}).get("env_kwargs")
    return kwargs if isinstance(kwargs, Mapping) else {}


def gripper_of(header: Header, actions: Column, told: tuple[int, ...] | None) -> list[int]:
    """Which numbers of an action are the gripper's.

    Args:
        header: Of the dataset.
        actions: The column, (A,).
        told: What the user says; None asks the controller in `env_args`.

    Raises:
        SettingsError: Nobody says, or a number is beyond the action.
    """
    if told is None:
        try:
            return [number for arm in arms_of(header, actions) for number in arm.gripper]
        except SettingsError as error:
            raise SettingsError(f"{error}; say which numbers of an action are the gripper's: gripper=(...)") from error
    beyond = [number for number in told if not -actions.size <= number < actions.size]
    if beyond:
        raise SettingsError(f"gripper {beyond} is beyond {actions.name}, which have {actions.size} numbers")
    return sorted({number % actions.size for number in told})


def arm_mask(header: Header, actions: Column, told: tuple[int, ...] | None) -> np.ndarray:
    """(A,) bool. Which numbers of an action are an arm's."""
    mask = np.ones(actions.size, dtype=bool)
    mask[gripper_of(header, actions, told)] = False
    return mask
