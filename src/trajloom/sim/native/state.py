"""What compiled code sees of MuJoCo: addresses of the structs and of their arrays, and room to work in.

Everything is a field of a record, because numba counts references to arrays, at a cost that shows in a substep of
30 us, and none to records.
"""

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
from llvmlite import ir
from numba import carray, njit, types  # pyright: ignore[reportPrivateImportUsage]
from numba.extending import intrinsic

from trajloom.sim.native.records import MAX_JOINTS

_DOUBLES = ("qpos", "qvel", "qM", "qfrc_bias", "ctrl", "site_xpos", "site_xmat")
_INTEGERS = ("dof_Madr", "dof_parentid")

PHYSICS = np.dtype([(name, "i8") for name in ("model", "data", "nq", "nv", "nM", "nu", "nsite", *_DOUBLES, *_INTEGERS)])
"""Sizes of a model, and addresses: of the structs, and of arrays under MuJoCo's own names."""

_square, _row = ("f8", (MAX_JOINTS, MAX_JOINTS)), ("f8", (MAX_JOINTS,))
_rows, _task = ("f8", (6, MAX_JOINTS)), ("f8", (6, 6))

ROOM = np.dtype(
    [
        ("jacobian", *_rows),  # position above rotation, of the arm's own joints
        ("mass", *_square),  # the arm's own block of the inertia matrix
        ("lower", *_square),  # its factor L
        ("half", "f8", (MAX_JOINTS, 6)),  # L^-1 J^T
        ("task", *_task),  # J M^-1 J^T
        ("task_lower", *_task),
        ("torques", *_row),
        ("pull", *_row),  # accelerations towards the joints at rest, or towards their goals
        ("wrench", "f8", (6,)),
        ("lever", "f8", (6,)),
        ("rotation", "f8", (3, 3)),  # of the goal in the world
        ("vector", "f8", (3,)),
    ]
)
"""Scratch memory of a control step, so that a substep allocates nothing."""


def physics(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """(1,) of PHYSICS: a model and its data; valid as long as both live."""
    found = np.zeros(1, PHYSICS)
    found["model"], found["data"] = model._address, data._address
    for name in ("nq", "nv", "nM", "nu", "nsite"):
        found[name] = getattr(model, name)
    for struct, names, dtype in ((data, _DOUBLES, np.float64), (model, _INTEGERS, np.int32)):
        for name in names:
            array = getattr(struct, name)
            assert array.dtype == dtype and array.flags.c_contiguous, f"{name} is not what it was in MuJoCo 3.9"  # noqa: PT018
            found[name] = array.ctypes.data
    return found


@intrinsic
def _as_doubles(typingctx, address):
    """The address of doubles as a pointer."""

    def cast(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.DoubleType().as_pointer())

    return types.CPointer(types.float64)(address), cast


@intrinsic
def _as_integers(typingctx, address):
    """The address of 32-bit integers as a pointer."""

    def cast(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.IntType(32).as_pointer())

    return types.CPointer(types.int32)(address), cast


# numba gives an intrinsic its first argument itself
_doubles: Callable[[Any], Any] = _as_doubles  # pyright: ignore
_integers: Callable[[Any], Any] = _as_integers  # pyright: ignore


@njit
def qpos(physics):
    """(nq,)."""
    return carray(_doubles(physics.qpos), (physics.nq,))


@njit
def qvel(physics):
    """(nv,)."""
    return carray(_doubles(physics.qvel), (physics.nv,))


@njit
def bias(physics):
    """(nv,). Gravity, Coriolis and centrifugal forces: N on slides, Nm on hinges."""
    return carray(_doubles(physics.qfrc_bias), (physics.nv,))


@njit
def ctrl(physics):
    """(nu,)."""
    return carray(_doubles(physics.ctrl), (physics.nu,))


@njit
def site_position(physics, site):
    """(3,). In the world."""
    return carray(_doubles(physics.site_xpos), (physics.nsite, 3))[site]


@njit
def site_rotation(physics, site):
    """(3, 3). In the world."""
    return carray(_doubles(physics.site_xmat), (physics.nsite, 3, 3))[site]


@njit
def arm_inertia(physics, arm, mass):
    """Fill in the arm's own block of the inertia matrix, (n, n) of n joints, in kg m^2.

    A row of qM runs from the diagonal towards the root of the kinematic tree; `dof_Madr` says where it begins.
    """
    inertia = carray(_doubles(physics.qM), (physics.nM,))
    row = carray(_integers(physics.dof_Madr), (physics.nv,))
    parent = carray(_integers(physics.dof_parentid), (physics.nv,))
    for i in range(arm.joints):
        dof = arm.qvel[i]
        address, k = row[dof], i
        while dof >= 0 and k >= 0:
            if dof == arm.qvel[k]:
                mass[i, k] = mass[k, i] = inertia[address]
                k -= 1
            address += 1
            dof = parent[dof]
