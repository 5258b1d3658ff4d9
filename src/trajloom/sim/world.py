"""What a task asks of MuJoCo: where things are, what touches what, what the gripper holds. No robosuite in here."""

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from trajloom.errors import UnknownNameError
from trajloom.poses import Poses, rotation_from_quat

_KINDS = {
    "body": mujoco.mjtObj.mjOBJ_BODY,
    "site": mujoco.mjtObj.mjOBJ_SITE,
    "geom": mujoco.mjtObj.mjOBJ_GEOM,
    "joint": mujoco.mjtObj.mjOBJ_JOINT,
}
_DIVERGED = [
    int(kind)
    for kind in (mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC)
]
_HERE = np.eye(4)
_Table = list[list[int]]
"""Geom, other geom -> bits: which of some groups the pair stands for."""


class World:
    """One model and its data, by the names that the model's XML gives them.

    Positions, contacts and poses are those of the last `mj_forward` or `mj_step1`.
    """

    def __init__(
        self, model: mujoco.MjModel, data: mujoco.MjData, eef_site: str = "", pads: Sequence[Sequence[str]] = ()
    ):
        """Look at a model through its names.

        Args:
            model, data: MuJoCo's structs; both are kept, not copied.
            eef_site: The site that the arm's controller moves; "" where nothing asks for it.
            pads: Geom names of the gripper's pads, one group a finger; () where nothing asks for grasps.
        """
        self.model, self.data, self.eef_site = model, data, eef_site
        self._ids: dict[tuple[str, str], int] = {}
        self._geoms: dict[str, NDArray[np.bool_]] = {}
        self._grasps: dict[str, _Table] = {}
        self._touches: dict[tuple[str, str], _Table] = {}
        self._pads = [self._mask([self.id("geom", name) for name in pad]) for pad in pads]
        # views of MuJoCo's own memory: asking the bindings for them each time costs more than reading them
        self._xpos, self._xmat = data.xpos, data.xmat.reshape(-1, 3, 3)
        self._site_xpos, self._site_xmat = data.site_xpos, data.site_xmat.reshape(-1, 3, 3)
        self._warnings = data.warning.number

    def id(self, kind: str, name: str) -> int:
        """The number of a body, site, geom or joint; UnknownNameError where there is none of that name."""
        found = self._ids.get((kind, name))
        if found is None:
            found = mujoco.mj_name2id(self.model, _KINDS[kind], name)
            if found < 0:
                raise UnknownNameError(kind, name, self.names(kind))
            self._ids[kind, name] = found
        return found

    def has(self, kind: str, name: str) -> bool:
        """Whether there is a body, site, geom or joint of that name."""
        return mujoco.mj_name2id(self.model, _KINDS[kind], name) >= 0

    def names(self, kind: str) -> list[str]:
        """The names of all bodies, sites, geoms or joints."""
        count = {"body": self.model.nbody, "site": self.model.nsite, "geom": self.model.ngeom, "joint": self.model.njnt}
        names = (mujoco.mj_id2name(self.model, _KINDS[kind], i) for i in range(count[kind]))
        return [name for name in names if name]

    def body(self, name: str) -> Poses:
        """(4, 4). Pose of a body in the world."""
        return _pose(self._xpos, self._xmat, self.id("body", name))

    def site(self, name: str) -> Poses:
        """(4, 4). Pose of a site in the world."""
        return _pose(self._site_xpos, self._site_xmat, self.id("site", name))

    def position(self, body: str) -> NDArray[np.float64]:
        """(3,). Position of a body in the world, a copy."""
        return self._xpos[self.id("body", body)].copy()

    def height(self, body: str) -> float:
        """The z of a body's position, in m."""
        return self._xpos[self.id("body", body), 2]

    def eef(self) -> Poses:
        """(4, 4). Pose of the end effector's site in the world."""
        return _pose(self._site_xpos, self._site_xmat, self.id("site", self.eef_site))

    def joint(self, name: str) -> float:
        """Position of a hinge (rad) or slide (m) joint."""
        return float(self.data.qpos[self.model.jnt_qposadr[self.id("joint", name)]])

    def diverged(self) -> bool:
        """Whether physics broke down since the last reset; MuJoCo then starts again from its model's own pose."""
        return any(self._warnings.item(kind) for kind in _DIVERGED)

    def touching(self, body: str, other: str) -> bool:
        """Whether a collision geom of one body (its children included) is in contact with one of another."""
        table = self._touches.get((body, other))
        if table is None:
            table = self._touches[body, other] = _pairs([self.geoms(body)], self.geoms(other))
        return self._in_contact(table) != 0

    def grasped(self, body: str) -> bool:
        """Whether every pad of the gripper is in contact with the body: robosuite's rule for a grasp."""
        table = self._grasps.get(body)
        if table is None:
            table = self._grasps[body] = _pairs(self._pads, self.geoms(body))
        every_pad = (1 << len(self._pads)) - 1
        return every_pad != 0 and self._in_contact(table) == every_pad

    def geoms(self, body: str) -> NDArray[np.bool_]:
        """(ngeom,). Which geoms can collide and belong to a body or its children."""
        if body not in self._geoms:
            root, model = self.id("body", body), self.model
            inside = np.zeros(model.nbody, dtype=bool)
            for i in range(model.nbody):  # parents come before their children
                inside[i] = i == root or (i != 0 and inside[model.body_parentid[i]])
            solid = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
            self._geoms[body] = inside[model.geom_bodyid] & solid
        return self._geoms[body]

    def is_free(self, body: str) -> bool:
        """Whether a body has a free joint: then its place is part of the state, else of the model."""
        joint = int(self.model.body_jntadr[self.id("body", body)])
        return joint >= 0 and self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE

    def put(self, body: str, position: NDArray[np.float64], quat_wxyz: NDArray[np.float64]) -> None:
        """Put a body somewhere: a free one by its joint's `qpos`, a fixed one by its place in the model."""
        body_id, model = self.id("body", body), self.model
        if self.is_free(body):
            start = int(model.jnt_qposadr[model.body_jntadr[body_id]])
            self.data.qpos[start : start + 3] = position
            self.data.qpos[start + 3 : start + 7] = quat_wxyz
        else:
            model.body_pos[body_id] = position
            model.body_quat[body_id] = quat_wxyz

    def _mask(self, geoms: Sequence[int]) -> NDArray[np.bool_]:
        mask = np.zeros(self.model.ngeom, dtype=bool)
        mask[list(geoms)] = True
        return mask

    def _in_contact(self, table: _Table) -> int:
        """What a table has for the pairs of geoms in contact now, joined bit by bit."""
        found = 0
        if self.data.ncon:
            # for the few contacts that there are, plain lists are three times as fast as arrays
            for one, other in self.data.contact.geom.tolist():
                found |= table[one][other]
        return found


def _pairs(groups: Sequence[NDArray[np.bool_]], others: NDArray[np.bool_]) -> _Table:
    """For each pair of geoms, bit i where one is of group i and the other of the others."""
    table = np.zeros((len(others), len(others)), dtype=np.int64)
    for i, group in enumerate(groups):
        table |= (np.outer(group, others) | np.outer(others, group)).astype(np.int64) << i
    return table.tolist()


def upright(angle: float) -> NDArray[np.float64]:
    """(4,). Quaternion w, x, y, z of a turn about the vertical, in radians."""
    return np.array([np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)])


def turn(quat_wxyz: NDArray[np.float64]) -> float:
    """The angle about the vertical, in radians in (-pi, pi], of a quaternion w, x, y, z."""
    rotation = rotation_from_quat(quat_wxyz)
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def _pose(positions: NDArray[np.float64], matrices: NDArray[np.float64], i: int) -> Poses:
    pose = _HERE.copy()
    pose[:3, :3] = matrices[i]
    pose[:3, 3] = positions[i]
    return pose
