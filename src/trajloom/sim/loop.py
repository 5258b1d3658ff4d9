"""How a control step is run: by our compiled loop, or by robosuite's own step where that loop does not know the robot.

Both give the same physics. `make_loop` chooses; a scene knows no more of it than the protocol `Loop`.
"""

import warnings
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any, Literal, Protocol, get_args

import mujoco
import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SchemaError, ShapeError, TrajloomWarning, UnknownNameError
from trajloom.sim import backend

Kind = Literal["fast", "exact", "robosuite"]
"""Which loop: "fast" is compiled and solves linear systems; "exact" is compiled and inverts matrices as robosuite does,
singular values and all; "robosuite" is robosuite's own step."""

_PLAIN = (type(None), bool, int, float, str, np.generic)


class Loop(Protocol):
    """What runs control steps and remembers what robosuite's controllers would."""

    action_dim: int
    """Length of an action."""

    def reset(self) -> None:
        """Forget everything: goals are where the arms are now, the grippers' commands are back in the middle."""
        ...

    def step(self, action: NDArray[np.float64]) -> None:
        """Run one control step. Positions, velocities and contacts then belong to the new state."""
        ...

    def save(self) -> Any:
        """All that the next step depends on beside MuJoCo's state, as a copy."""
        ...

    def restore(self, saved: Any) -> None:
        """Go back to what was saved; MuJoCo's state is back already, and its positions are up to date."""
        ...


def checked(action: NDArray[np.float64], action_dim: int) -> NDArray[np.float64]:
    """An action (D,) in doubles, side by side in memory.

    Raises:
        ShapeError: Another number of values.
        SchemaError: Not all of them are finite. MuJoCo would let every motor go, and a gripper forget its command.
    """
    if np.shape(action) != (action_dim,):
        raise ShapeError(f"action must have shape ({action_dim},), got {np.shape(action)}")
    action = np.ascontiguousarray(action, dtype=np.float64)
    if not np.isfinite(action).all():
        odd = int(np.flatnonzero(~np.isfinite(action))[0])
        raise SchemaError(f"action must be finite, got {action[odd]} at {odd}")
    return action


def make_loop(env: Any, kind: Kind) -> Loop:
    """The loop of a robosuite environment that has been reset once.

    An environment that the compiled loop does not know gets robosuite's own step, with a TrajloomWarning: once in a
    process for each reason.

    Raises:
        UnknownNameError: No such kind of loop.
    """
    if kind not in get_args(Kind):
        raise UnknownNameError("loop", kind, get_args(Kind))
    if kind == "robosuite":
        return RobosuiteLoop(env)
    from trajloom.sim import native  # compiled code is loaded where it is used, and nowhere else

    unknown = native.unknown(env)
    if unknown:
        _say("; ".join(unknown))
        return RobosuiteLoop(env)
    return native.NativeLoop(env, exact=kind == "exact")


@cache
def _say(unknown: str) -> None:
    """Warn once that robosuite's own step takes over."""
    warnings.warn(
        f"the compiled control loop does not know all of this environment: {unknown}. It knows OSC_POSE, OSC_POSITION, "
        "JOINT_POSITION and JOINT_VELOCITY without interpolators, for arms on fixed bases with parallel grippers. "
        "robosuite's own step runs instead: the same physics, several times slower; "
        'loop="robosuite" asks for it without this warning',
        TrajloomWarning,
        stacklevel=5,  # whoever called make_scene
    )


class RobosuiteLoop:
    """robosuite's own step, for any robots and controllers that robosuite has.

    robosuite's `env.step` leaves positions and contacts one substep behind; here they are brought up to date.
    """

    def __init__(self, env: Any):
        """Take a robosuite environment that has been reset once."""
        self.env = env
        self.action_dim = int(env.action_dim)

    def reset(self) -> None:
        """Forget everything: controllers are made anew, as robosuite does at a reset; MuJoCo's state stays."""
        for robot in self.env.robots:
            _make_controllers(robot)

    def step(self, action: NDArray[np.float64]) -> None:
        """Run one control step of robosuite, beyond its horizon too; raises what `checked` raises."""
        action = checked(action, self.action_dim)
        self.env.done = False
        self.env.step(action.copy())  # controllers of moving bases write into it
        self.env.done = False
        mujoco.mj_step1(self.env.sim.model._model, self.env.sim.data._data)

    def save(self) -> Any:
        """Copies of all that controllers and grippers remember."""
        # one copy of the whole: what two attributes share, they still share afterwards
        return deepcopy([_memory(one) for one in self._rememberers()])

    def restore(self, saved: Any) -> None:
        """Give controllers and grippers back what they remembered."""
        for one, memory in zip(self._rememberers(), deepcopy(saved), strict=True):
            for name in _memory(one).keys() - memory.keys():
                delattr(one, name)
            vars(one).update(memory)

    def _rememberers(self) -> list[Any]:
        """Every controller and gripper, always in the same order."""
        found = []
        for robot in self.env.robots:
            whole = robot.composite_controller
            solver = getattr(whole, "joint_action_policy", None)  # of a controller of the whole body
            found += [whole, *whole.part_controllers.values(), *robot.gripper.values(), *([solver] if solver else [])]
        return found


def _make_controllers(robot: Any) -> None:
    """New controllers from the robot's configuration, with goals where the robot is; grippers in the middle."""
    robot._load_controller()
    for arm in robot.arms:
        if robot.has_gripper[arm]:
            robot.gripper[arm].current_action = np.zeros(robot.gripper[arm].dof)
    robot.composite_controller.update_state()
    robot.composite_controller.reset()
    for part in robot.part_controllers.values():
        part.new_update = True  # so that the next step looks at MuJoCo's state again


def _memory(one: Any) -> dict[str, Any]:
    """The attributes that a step can change: numbers, arrays, buffers and interpolators, and collections of them.

    Left out is what belongs to the simulation or the model: those objects, and views of their memory.
    """
    return {name: value for name, value in vars(one).items() if _is_memory(value)}


def _is_memory(value: Any) -> bool:
    if isinstance(value, (*_PLAIN, *_holders())):
        return True
    if isinstance(value, np.ndarray):
        return _owner(value) is None
    if isinstance(value, Mapping):
        return all(_is_memory(inner) for inner in value.values())
    return isinstance(value, list | tuple | set) and all(_is_memory(inner) for inner in value)


def _owner(array: NDArray[Any]) -> Any:
    """Whose memory an array is a view of; None where it is NumPy's own."""
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    return base


@cache
def _holders() -> tuple[type, ...]:
    """robosuite's classes of things that remember what went through them, and NumPy's generators."""
    utils = backend.robosuite().utils
    return utils.buffers.Buffer, utils.traj_utils.Interpolator, np.random.Generator
