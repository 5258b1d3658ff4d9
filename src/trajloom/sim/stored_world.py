"""A World that shows stored states, of demonstrations of any robosuite version, on a model that may lack its meshes."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SourceError
from trajloom.sim.world import World

_PREFIXES = ("gripper0_right_", "gripper0_")
"""Of the gripper's names: since robosuite 1.5, before."""
_PADS = (
    ("finger1_pad_collision", "finger2_pad_collision"),  # Panda
    ("finger1_tip_collision", "finger2_tip_collision"),  # Panda in robosuite 1.0
    ("l_fingerpad_g0", "r_fingerpad_g0"),  # Rethink
    ("left_fingerpad_collision", "right_fingerpad_collision"),  # Robotiq
)
_FINGERS = (
    ("finger_joint1_tip", "finger_joint2_tip"),
    ("l_finger_tip", "r_finger_tip"),
    ("left_inner_finger", "right_inner_finger"),
)
"""Bodies whose distance tells the gripper's opening, whether their geoms are there or not."""

REACH = 0.05
"""Metres between gripper and object within which closed fingers may hold it, where contacts cannot tell."""
_STILL = 0.0015
"""Metres a step below which the fingers are taken to have stopped."""
_CLOSED_BY = 0.01
"""Metres that fingers must have closed by: in the first steps after the command they stand still too."""


class StoredWorld(World):
    """One stored state at a time, in bare MuJoCo: kinematics and contacts, no step.

    Where the geoms for contacts are gone, a grasp is judged by the gripper: told to close, fingers that have stopped,
    within `REACH` of the object. `judged` names the bodies for which that was so.
    """

    def __init__(self, model: mujoco.MjModel):
        """Find the gripper by the names of any robosuite version; SourceError where there is none, or a second arm."""
        super().__init__(model, mujoco.MjData(model))
        if any(name.startswith(("gripper1_", "gripper0_left_")) for name in self.names("site")):
            raise SourceError("the model has two arms; demonstrations of one arm can be annotated")
        self.judged: set[str] = set()
        self._prefix = next((p for p in _PREFIXES if self.has("site", f"{p}grip_site")), None)
        if self._prefix is None:
            wanted = " or ".join(f"{p}grip_site" for p in _PREFIXES)
            raise SourceError(f"the model has no site {wanted}; there are: {', '.join(self.names('site')) or 'none'}")
        self.eef_site = f"{self._prefix}grip_site"
        self._pads = [self._mask([self.id("geom", name)]) for name in self._pair("geom", _PADS)]
        self._fingers = self._pair("body", _FINGERS)
        self._closing, self._opening, self._widest, self._speed = False, 0.0, 0.0, 0.0

    def id(self, kind: str, name: str) -> int:
        """As `World.id`; robosuite 1.0 called `cube` what later versions call `cube_main`."""
        if kind == "body" and not self.has(kind, name):
            name = name.removesuffix("_main")
        return super().id(kind, name)

    def show(self, state: NDArray[np.floating], closing: bool) -> None:
        """Set a state (1 + nq + nv,), and whether the gripper is told to close; steps must come in their order."""
        self.data.qpos[:] = state[1 : 1 + self.model.nq]
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_collision(self.model, self.data)
        self._closing = closing
        if self._fingers:
            left, right = (self.position(name) for name in self._fingers)
            opening = float(np.linalg.norm(left - right))
            self._speed, self._opening = abs(opening - self._opening), opening
            self._widest = max(self._widest, opening)

    def grasped(self, body: str) -> bool:
        """By contacts where both pads and the body have geoms, else by the gripper."""
        if self._pads and self.geoms(body).any():
            return super().grasped(body)
        if not self._fingers:
            raise SourceError(
                f"cannot tell whether {body!r} is held: the model has neither pads nor fingers that we know"
            )
        self.judged.add(body)
        near = np.linalg.norm(self.eef()[:3, 3] - self.position(body)) < REACH
        stopped = self._speed < _STILL and self._opening < self._widest - _CLOSED_BY
        return bool(self._closing and near and stopped)

    def base(self) -> NDArray[np.float64]:
        """(4, 4). Pose of the robot's base, the identity where the model does not name it."""
        return self.body("robot0_base") if self.has("body", "robot0_base") else np.eye(4)

    def _pair(self, kind: str, options: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
        """The first pair of names that the model has, with the gripper's prefix; () where it has none."""
        pairs = (tuple(f"{self._prefix}{name}" for name in pair) for pair in options)
        return next((pair for pair in pairs if all(self.has(kind, name) for name in pair)), ())
