"""Pictures of stored states, made by MuJoCo after the fact."""

import gc
import sys
import time
from collections.abc import Iterator, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from trajloom.errors import RunError, ShapeError, UnknownNameError

SIZE = (512, 512)
"""Height and width of a frame, in pixels."""


def must_render() -> None:
    """Raise RunError, saying what to do, where this process cannot draw."""
    told = sys.unraisablehook
    # MuJoCo cannot close what it could not open, and says so
    sys.unraisablehook = lambda _: None
    try:
        fault = _fault()
        gc.collect()
    finally:
        sys.unraisablehook = told
    if fault:
        raise RunError(
            f"cannot draw: MuJoCo found no OpenGL ({fault}); install OSMesa or EGL and set MUJOCO_GL=osmesa or "
            "MUJOCO_GL=egl before Python starts"
        )


def _fault() -> str | None:
    try:
        mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 8, 8).close()
    except Exception as error:  # of whatever library it was that looked for a screen
        return f"{type(error).__name__}: {error}"
    return None


def frames(xml: str, states: NDArray[np.floating], cameras: Sequence[str], skip: int) -> Iterator[NDArray[np.uint8]]:
    """Frames of an episode, seen by some cameras side by side.

    Args:
        xml: Its model, as robosuite makes it.
        states: (T, 1 + nq + nv). Time, qpos, qvel.
        cameras: Names of cameras of the model.
        skip: Every so many steps there is a frame.

    Returns:
        (H, W * cameras, 3) each, drawn as they are asked for.

    Raises:
        UnknownNameError: The model has no such camera.
        ShapeError: The states are not of this model.
    """
    model = mujoco.MjModel.from_xml_string(xml)
    known = [model.camera(i).name for i in range(model.ncam)]
    for name in cameras:
        if name not in known:
            raise UnknownNameError("camera", name, known)
    if states.shape[1:] != (1 + model.nq + model.nv,):
        raise ShapeError(f"states must have shape (T, {1 + model.nq + model.nv}), got {states.shape}")
    return _drawn(model, states[::skip], cameras)


def _drawn(model: mujoco.MjModel, states: NDArray[np.floating], cameras: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
    model.vis.global_.offheight, model.vis.global_.offwidth = SIZE
    data, renderer = mujoco.MjData(model), mujoco.Renderer(model, *SIZE)
    try:
        for state in states:
            _set(model, data, state)
            views = []
            for name in cameras:
                renderer.update_scene(data, camera=name)
                views.append(renderer.render())
            yield np.concatenate(views, axis=1)
    finally:
        renderer.close()


def show(xml: str, states: NDArray[np.floating], hz: float) -> None:
    """Play an episode in a window, at its own speed; closing the window ends it.

    Args:
        xml: Its model, as robosuite makes it.
        states: (T, 1 + nq + nv).
        hz: Steps a second.
    """
    import mujoco.viewer

    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    with mujoco.viewer.launch_passive(model, data) as window:
        for state in states:
            if not window.is_running():
                return
            _set(model, data, state)
            window.sync()
            time.sleep(1 / hz)


def _set(model: mujoco.MjModel, data: mujoco.MjData, state: NDArray[np.floating]) -> None:
    data.qpos[:] = state[1 : 1 + model.nq]
    data.qvel[:] = state[1 + model.nq :]
    mujoco.mj_forward(model, data)
