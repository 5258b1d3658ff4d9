"""Pictures of stored states; where there is no OpenGL without a screen, what needs none."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs trajloom[sim]")

from trajloom.errors import ShapeError, UnknownNameError
from trajloom.sim import film

pytestmark = pytest.mark.sim

XML = """
<mujoco>
  <visual><headlight ambient="0.8 0.8 0.8"/></visual>
  <worldbody>
    <camera name="above" pos="0 0 3"/>
    <camera name="aside" pos="0 -3 0" xyaxes="1 0 0 0 0 1"/>
    <body><joint type="slide" axis="1 0 0"/><geom type="box" size="0.1 0.1 0.3" rgba="1 0 0 1"/></body>
  </worldbody>
</mujoco>
"""
"""A red column that slides along x, seen from its end and from its side."""
STATES = np.stack([np.arange(9) / 20, np.linspace(-0.8, 0.8, 9), np.zeros(9)], axis=1)
DRAW = """
import sys
import numpy as np
from trajloom.sim import film
film.must_render()
xml, states = open(sys.argv[1]).read(), np.load(sys.argv[2])
np.save(sys.argv[3], np.stack(list(film.frames(xml, states, sys.argv[4].split(","), 4))))
"""


def run(code: str, *words: str | Path, gl: str) -> subprocess.CompletedProcess[str]:
    """MuJoCo chooses its OpenGL when it is imported: a process of its own."""
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "MUJOCO_GL": gl})


def drawn(folder: Path, cameras: str) -> np.ndarray:
    """(3, H, W, 3). Every fourth state, as one process draws it."""
    (folder / "model.xml").write_text(XML)
    np.save(folder / "states.npy", STATES)
    for gl in ("egl", "osmesa"):
        done = run(DRAW, folder / "model.xml", folder / "states.npy", folder / "frames.npy", cameras, gl=gl)
        if done.returncode == 0:
            return np.load(folder / "frames.npy")
        assert "OpenGL" in done.stderr, done.stderr  # where OSMesa is absent, MuJoCo itself cannot be imported
    pytest.skip("there is neither EGL nor OSMesa to draw with")


def red(frames: np.ndarray) -> list[tuple[float, float, int, int]]:
    """Of each frame: the middle of what is red, from the left and from the top, and its width and height; in pixels."""
    found = []
    for frame in frames.astype(int):
        rows, columns = np.nonzero(frame[..., 0] > frame[..., 1] + frame[..., 2] + 50)
        found.append((columns.mean(), rows.mean(), np.ptp(columns) + 1, np.ptp(rows) + 1))
    return found


def test_frames_show_the_states_from_each_camera_side_by_side(tmp_path):
    height, width = film.SIZE
    frames = drawn(tmp_path, "aside,above")
    assert (frames.shape, frames.dtype) == ((3, height, 2 * width, 3), np.uint8)
    aside, above = red(frames[:, :, :width]), red(frames[:, :, width:])
    for views in (aside, above):
        left, middle, right = (view[0] for view in views)
        assert left < middle - 50
        assert middle == pytest.approx(width / 2, abs=3)
        assert right == pytest.approx(width - left, abs=3)
        assert all(view[1] == pytest.approx(height / 2, abs=3) for view in views)
    assert aside[1][3] > 2 * aside[1][2]
    assert above[1][3] == pytest.approx(above[1][2], abs=3)


def test_where_nothing_can_be_drawn_it_says_what_to_install():
    done = run("from trajloom.sim import film; film.must_render()", gl="off")
    assert done.returncode != 0
    assert "cannot draw: MuJoCo found no OpenGL" in done.stderr
    assert "set MUJOCO_GL=osmesa or MUJOCO_GL=egl" in done.stderr


def test_a_camera_that_is_not_there_is_named_before_anything_is_drawn():
    with pytest.raises(UnknownNameError, match="no camera named 'agentview'; there are: above, aside"):
        film.frames(XML, STATES, ["above", "agentview"], 1)


def test_states_of_another_model_are_refused():
    with pytest.raises(ShapeError, match=r"states must have shape \(T, 3\), got \(9, 2\)"):
        film.frames(XML, STATES[:, :2], ["above"], 1)
