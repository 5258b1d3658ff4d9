"""Every robot and gripper moves and grasps: what robosuite's models lack is put right, and stays with the episode."""

from functools import cache

import numpy as np
import pytest

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

from trajloom.rollout import Rollout
from trajloom.seeding import rng_for
from trajloom.sim import backend, policies, tasks
from trajloom.sim.annotate import annotate_episode
from trajloom.sim.scene import RobosuiteScene, make_scene
from trajloom.task import DatagenInfo

pytestmark = pytest.mark.sim

OTHERS = ("Sawyer", "IIWA", "UR5e")
"""The robots that are no Panda; each has another gripper."""


@cache
def scene_of(robot: str) -> RobosuiteScene:
    return make_scene("lift", robot=robot)


@cache
def lifting(robot: str) -> Rollout:
    return policies.run_expert(scene_of(robot), "lift", rng_for(5, "lift", 0))


@pytest.mark.parametrize("robot", OTHERS)
def test_the_expert_lifts_with_every_robot_and_its_own_gripper(robot):
    assert lifting(robot).success, lifting(robot).reason


@pytest.mark.parametrize("robot", OTHERS)
def test_an_episode_of_every_robot_is_annotated_from_its_states_alone(robot):
    episode, args = lifting(robot), scene_of(robot).env_args
    again = annotate_episode(
        episode.columns["states"],
        episode.columns["actions"],
        episode.model_xml,
        tasks.get("lift"),
        version=args["env_version"],
        controller=args["env_kwargs"]["controller_configs"],
    )
    recorded = DatagenInfo.from_columns(episode.columns)
    np.testing.assert_allclose(again.info.eef_pose, recorded.eef_pose, atol=1e-6)
    np.testing.assert_array_equal(
        again.info.subtask_term_signals["grasp"], np.asarray(recorded.subtask_term_signals["grasp"])
    )


def test_nothing_holds_the_first_joint_of_a_sawyer():
    scene = scene_of("Sawyer")
    scene.reset(np.random.default_rng(0))
    start = scene.data.qpos[scene._arm_joints[0]]
    for _ in range(10):
        scene.step(np.array([0, 1.0, 0, 0, 0, 0, 0]))
    assert abs(scene.data.qpos[scene._arm_joints[0]] - start) > 0.05


@pytest.mark.parametrize(("gripper", "opening"), backend.GRIPPERS.items())
def test_every_gripper_opens_as_far_as_we_say_and_closes_on_half_a_cube(gripper, opening):
    scene = make_scene("lift", robot="UR5e", gripper=gripper)
    scene.reset(np.random.default_rng(0))
    assert gap(scene, -1.0) == pytest.approx(opening, abs=0.004)
    assert gap(scene, 1.0) < 0.021


def gap(scene: RobosuiteScene, command: float) -> float:
    """Metres between the pads' surfaces after holding still for a second with a gripper command."""
    for _ in range(20):
        scene.step(np.array([0, 0, 0, 0, 0, 0, command]))
    pads = scene.robot.gripper["right"].important_geoms
    ids = [scene.world.id("geom", pads[name][0]) for name in ("left_fingerpad", "right_fingerpad")]
    between = scene.data.geom_xpos[ids[0]] - scene.data.geom_xpos[ids[1]]
    thickness = sum(scene.model.geom_size[i].min() for i in ids)
    return float(np.linalg.norm(between)) - float(thickness)


def test_the_fingers_of_a_robotiq_stay_parallel_and_start_where_their_command_is():
    scene = make_scene("lift", robot="UR5e", gripper="Robotiq85Gripper")
    scene.reset(np.random.default_rng(0))
    start = scene.data.qpos[scene._fingers].copy()
    for command in (0.0, 0.0, 1.0, 1.0, -1.0):
        scene.step(np.array([0, 0, 0, 0, 0, 0, command]))
        driven, finger, knuckle = scene.data.qpos[scene._fingers].reshape(2, 3).T
        np.testing.assert_allclose(finger, -driven, atol=0.03)
        np.testing.assert_allclose(knuckle, driven, atol=0.03)
        if command == 0.0:
            np.testing.assert_allclose(scene.data.qpos[scene._fingers], start, atol=0.02)


@pytest.mark.parametrize("robot", ["Sawyer", "UR5e"])
def test_a_plain_robosuite_environment_that_loads_the_episode_has_the_same_physics(robot):
    scene = scene_of(robot)
    scene.reset(np.random.default_rng(1))
    args = scene.env_args
    env = backend.robosuite().make(args["env_name"], **args["env_kwargs"])
    without = env.sim.model.neq, env.sim.model.nexclude
    env.reset_from_xml_string(env.edit_model_xml(scene.model_xml()))
    assert (env.sim.model.neq, env.sim.model.nexclude) == (scene.model.neq, scene.model.nexclude) != without


def test_a_panda_is_left_as_robosuite_has_it():
    env = scene_of("Panda").env
    assert backend.model_xml(tasks.get("lift"), env) == env.edit_model_xml(env.model.get_xml())
