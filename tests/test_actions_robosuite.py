"""Absolute actions against robosuite's own controller, and poses against MuJoCo's."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

from in_memory import MemoryEpisode, MemorySource
from trajloom import annotation, poses
from trajloom.dataset import Dataset, read
from trajloom.edit.actions import actions
from trajloom.errors import SourceError
from trajloom.schema import Column, Header
from trajloom.sim.scene import make_scene

LIFT = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"

pytestmark = pytest.mark.sim


def played(robot: str, quat: str, steps: int = 5) -> tuple[MemorySource, np.ndarray, np.ndarray]:
    """Steps of a robot in Lift, and the goals (T, 3) and (T, 3, 3) that robosuite's controller set itself."""
    scene = make_scene("lift", robot=robot)
    scene.reset(np.random.default_rng(0))
    arm = scene.env.robots[0].part_controllers["right"]
    rng, rows, goals = np.random.default_rng(1), [], []
    for _ in range(steps):
        action, seen = rng.uniform(-1, 1, 7), scene.observation()
        arm.update(force=True)
        arm.set_goal(action[:6])
        goals.append((arm.goal_pos.copy(), arm.goal_ori.copy()))
        rows.append({"actions": action, **{f"obs/{n}": seen[n] for n in ("robot0_eef_pos", quat)}})
        scene.step(action)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    header = Header(
        steps=tuple(Column(name=n, dtype=str(v.dtype), shape=v.shape[1:]) for n, v in columns.items()),
        env_args=scene.env_args,
    )
    row = {"episode_index": 0, "name": "demo_0", "length": steps, "attrs": "{}", "model": "hash"}
    made = MemorySource(header, [MemoryEpisode(row, columns)], xml={"hash": scene.model_xml()})
    return made, np.array([p for p, _ in goals]), np.array([r for _, r in goals])


@pytest.mark.parametrize(("robot", "quat"), [("Panda", "robot0_eef_quat"), ("Panda", "robot0_eef_quat_site")])
def test_absolute_actions_are_the_goals_of_robosuites_own_controller(robot, quat):
    plain, position, rotation = played(robot, quat)
    found = next(Dataset(actions(plain, "absolute")).iter_episodes()).columns["actions"]
    np.testing.assert_allclose(found[:, :3], position, atol=1e-9)
    # robosuite reckons rotations in single precision
    np.testing.assert_allclose(poses.rotation_from_axis_angle(found[:, 3:6]), rotation, atol=1e-5)


def test_a_base_that_moves_with_the_arm_is_refused():
    plain, _, _ = played("IIWA", "robot0_eef_quat_site", steps=1)
    with pytest.raises(SourceError, match="robot0_right_center moves"):
        list(Dataset(actions(plain, "absolute")).iter_episodes())


def test_a_recorded_hand_quaternion_and_model_give_the_pose_that_replaying_gives(tmp_path):
    annotation.annotate(LIFT, tmp_path / "annotated.hdf5", task="lift")
    replayed, by_hand = read(tmp_path / "annotated.hdf5").actions(), read(LIFT).actions()
    assert replayed.header.column("datagen_info/eef_pose").rotation == "matrix"
    for one, other in zip(replayed.iter_episodes(["actions"]), by_hand.iter_episodes(["actions"]), strict=True):
        a, b = one.columns["actions"], other.columns["actions"]
        np.testing.assert_allclose(a[:, :3], b[:, :3], atol=1e-5)
        turns = [poses.rotation_from_axis_angle(acts[:, 3:6]) for acts in (a, b)]
        assert poses.rotation_angle(turns[0] @ np.swapaxes(turns[1], 1, 2)).max() < 2e-3
