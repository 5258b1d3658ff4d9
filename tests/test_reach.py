"""Foreseeing whether an arm can follow a path: its kinematics are MuJoCo's, and what it says comes true in physics."""

import mujoco
import numpy as np
import pytest

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

from trajloom.poses import Poses, interpolate
from trajloom.seeding import rng_for
from trajloom.sim import reach
from trajloom.sim.scene import RobosuiteScene, make_scene
from trajloom.task import SINGLE_ARM

pytestmark = pytest.mark.sim

STEPS = 60
FAR = np.array([0.35, 0.2, -0.05])
"""Beyond the table's edge, a metre from the arm's base, in m from the middle of the table's top."""


@pytest.fixture(scope="module")
def scene() -> RobosuiteScene:
    scene = make_scene("square")
    scene.reset(rng_for(0))
    return scene


def path_to(scene: RobosuiteScene, position: np.ndarray, turn: np.ndarray | None = None) -> Poses:
    """(T, 4, 4). Straight from where the hand is to a place, turned about its own axis."""
    here = scene.eef_pose()[SINGLE_ARM]
    there = here.copy()
    there[:3, 3] = position
    if turn is not None:
        there[:3, :3] = here[:3, :3] @ turn
    return interpolate(here, there, np.arange(1, STEPS + 1) / STEPS)


def about_z(angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def gap_in_physics(scene: RobosuiteScene, targets: Poses) -> float:
    """How far from the last target the hand is, a second after it was sent along them, in m."""
    before = scene.save()
    for target in [*targets, *[targets[-1]] * 20]:
        arm = scene.target_pose_to_action({SINGLE_ARM: target})
        scene.step(scene.join_action(arm, {SINGLE_ARM: np.array([-1.0])}))
    gap = float(np.linalg.norm(scene.eef_pose()[SINGLE_ARM][:3, 3] - targets[-1][:3, 3]))
    scene.restore(before)
    return gap


@pytest.mark.parametrize("robot", ["Panda", "UR5e", "IIWA", "Sawyer"])
def test_where_joints_lead_and_what_they_do_to_the_hand_is_what_mujoco_says(robot: str):
    scene = make_scene("lift", robot=robot)
    arm, model, data = scene._reach, scene.model, scene.data
    assert arm is not None
    qpos, dofs = model.jnt_qposadr[arm.joints], model.jnt_dofadr[arm.joints]
    scene.reset(rng_for(1))
    eef, anchors, axes = scene.eef_pose()[SINGLE_ARM], data.xanchor[arm.joints].copy(), data.xaxis[arm.joints].copy()
    position, rotation, jacobian = np.empty(3), np.empty((3, 3)), np.empty((6, len(qpos)))
    for seed in range(5):
        turned = rng_for(2, seed).uniform(-1.0, 1.0, len(qpos))
        reach._forward(turned, eef, anchors, axes, position, rotation, jacobian)
        scene.reset(rng_for(1))
        data.qpos[qpos] += turned
        mujoco.mj_forward(model, data)
        found = scene.eef_pose()[SINGLE_ARM]
        np.testing.assert_allclose(position, found[:3, 3], atol=1e-9)
        np.testing.assert_allclose(rotation, found[:3, :3], atol=1e-9)
        of_mujoco = np.zeros((2, 3, model.nv))
        mujoco.mj_jacSite(model, data, of_mujoco[0], of_mujoco[1], arm.site)
        np.testing.assert_allclose(jacobian, of_mujoco.reshape(6, -1)[:, dofs], atol=1e-9)


@pytest.mark.parametrize("place", [(-0.1, 0.15, 0.1), (0.1, -0.1, 0.02), (0.0, 0.0, 0.2)])
def test_a_place_on_the_table_is_within_reach_and_physics_gets_there(scene: RobosuiteScene, place):
    targets = path_to(scene, np.array([0.0, 0.0, 0.9]) + place)
    assert scene.out_of_reach(SINGLE_ARM, targets) == ""
    assert gap_in_physics(scene, targets) < 0.01


def test_a_place_too_far_away_is_out_of_reach_and_physics_does_not_get_there(scene: RobosuiteScene):
    targets = path_to(scene, np.array([0.0, 0.0, 0.9]) + FAR)
    words = scene.out_of_reach(SINGLE_ARM, targets)
    assert words.startswith("the arm would end ")
    assert words.endswith(" cm from its target")
    foreseen, found = float(words.split()[4]) / 100, gap_in_physics(scene, targets)
    assert found > reach.TOO_FAR_M
    assert abs(foreseen - found) < 0.05


def test_a_hand_turned_too_far_keeps_a_joint_at_its_limit(scene: RobosuiteScene):
    arm = scene._reach
    assert arm is not None
    here = scene.eef_pose()[SINGLE_ARM][:3, 3]
    half, whole = (path_to(scene, here, about_z(angle)) for angle in (0.5, 2.9))
    assert scene.out_of_reach(SINGLE_ARM, half) == ""
    targets = np.concatenate([whole, np.repeat(whole[-1:], 40, axis=0)])
    words = scene.out_of_reach(SINGLE_ARM, targets)
    assert "would be at its limit for" in words
    assert words.split()[0] in {scene.model.joint(i).name for i in arm.joints}


def test_looking_ahead_leaves_the_scene_as_it_is(scene: RobosuiteScene):
    before = scene.save()
    scene.out_of_reach(SINGLE_ARM, path_to(scene, np.array([0.0, 0.0, 0.9]) + FAR))
    np.testing.assert_array_equal(scene.save().state, before.state)


def test_an_arm_whose_actions_ask_for_no_pose_is_not_judged():
    scene = make_scene("lift", controller="JOINT_POSITION")
    scene.reset(rng_for(0))
    assert scene.out_of_reach(SINGLE_ARM, path_to(scene, np.array([5.0, 0.0, 0.0]))) == ""
