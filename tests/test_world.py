"""Contacts and grasps in a model of four balls: two pads, a thing between them, and one apart."""

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco", reason="needs trajloom[sim]", exc_type=ImportError)
world = pytest.importorskip("trajloom.sim.world", reason="needs trajloom[sim]", exc_type=ImportError)

XML = """<mujoco><worldbody>
  <geom name="left" type="sphere" size="0.1" pos="-0.15 0 0"/>
  <geom name="right" type="sphere" size="0.1" pos="0.15 0 0"/>
  <body name="thing" pos="0 1 0"><freejoint/><geom type="sphere" size="0.1"/></body>
  <body name="other" pos="0 2 0"><freejoint/><geom type="sphere" size="0.1"/></body>
</worldbody></mujoco>"""


@pytest.fixture
def balls():
    model = mujoco.MjModel.from_xml_string(XML)
    return world.World(model, mujoco.MjData(model), pads=[["left"], ["right"]])


def put(balls, **places: list[float]):
    for body, place in places.items():
        balls.put(body, np.array(place), world.upright(0.0))
    mujoco.mj_forward(balls.model, balls.data)


@pytest.mark.parametrize(("x", "held"), [(-0.06, False), (0.0, True), (0.06, False), (0.5, False)])
def test_a_thing_is_held_when_every_pad_touches_it(balls, x, held):
    put(balls, thing=[x, 0, 0])
    assert balls.grasped("thing") is held
    assert not balls.grasped("other")


def test_pads_held_apart_by_two_things_hold_neither(balls):
    put(balls, thing=[-0.06, 0, 0], other=[0.06, 0, 0])
    assert not balls.grasped("thing")
    assert not balls.grasped("other")


def test_touching_is_mutual_and_of_these_two_alone(balls):
    put(balls, thing=[0, 1, 0], other=[0, 1.15, 0])
    assert balls.touching("thing", "other")
    assert balls.touching("other", "thing")
    put(balls, other=[-0.06, 0, 0])
    assert not balls.touching("thing", "other")


def test_nothing_is_held_without_pads(balls):
    bare = world.World(balls.model, balls.data)
    put(balls, thing=[0, 0, 0])
    assert balls.grasped("thing")
    assert not bare.grasped("thing")


def test_a_state_that_is_no_number_has_diverged(balls):
    put(balls)
    assert not balls.diverged()
    balls.data.qpos[0] = np.nan
    mujoco.mj_step(balls.model, balls.data)
    assert balls.diverged()
    mujoco.mj_resetData(balls.model, balls.data)
    assert not balls.diverged()
