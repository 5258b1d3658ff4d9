"""Objects that a task has no use for: they stay where they are put and change nothing else."""

import numpy as np
import pytest

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

from trajloom.sim import bystanders, tasks
from trajloom.sim.scene import RobosuiteScene, make_scene

pytestmark = pytest.mark.sim


def joints_of(scene: RobosuiteScene, leaving_out: tuple[str, ...]) -> np.ndarray:
    """qpos without the free joints of some bodies."""
    starts = [int(scene.model.jnt_qposadr[scene.model.body_jntadr[scene.world.id("body", one)]]) for one in leaving_out]
    return np.delete(scene.data.qpos, [start + i for start in starts for i in range(7)])


def test_a_nut_that_is_set_aside_floats_and_the_rest_moves_as_if_it_lay_on_the_floor(monkeypatch):
    floating, unused = make_scene("square", loop="exact"), tasks.get("square").unused
    monkeypatch.setattr(type(tasks.get("square")), "unused", ())
    falling = make_scene("square", loop="exact")
    actions = np.random.default_rng(0).uniform(-1, 1, (60, 7))
    for scene in (floating, falling):
        scene.reset(np.random.default_rng(1))
        for action in actions:
            scene.step(action)
    np.testing.assert_allclose(floating.world.position(*unused), 10.0, atol=1e-9)
    assert falling.world.position(*unused)[2] < 0.1
    assert falling.data.ncon - floating.data.ncon == 36
    np.testing.assert_allclose(joints_of(floating, unused), joints_of(falling, unused), atol=1e-12)


def test_a_task_that_uses_everything_keeps_robosuites_model():
    xml = '<mujoco><worldbody><body name="cube"><geom contype="1"/></body></worldbody></mujoco>'
    assert bystanders.set_aside((), xml) == xml
