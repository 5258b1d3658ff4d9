"""Space: scenes that are moved and mirrored, and everything in them together."""

from typing import Any

import numpy as np
import pytest

import scenes
from scenes import applied, batch_of
from trajloom.augment import ActionConversion, Mirror, SceneTransform
from trajloom.augment._layout import layout_of, parsed
from trajloom.batch import Batch
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.osc import RecordedController
from trajloom.poses import make, rotation_from_axis_angle, rotation_from_quat
from trajloom.schema import Column, Header

GENTLE = scenes.HEADER.with_(
    env_args={**scenes.ENV_ARGS, "env_kwargs": {
        **scenes.ENV_ARGS["env_kwargs"],
        "controller_configs": {**scenes.CONTROLLER, "input_max": 2, "input_min": -2},
    }}
)  # fmt: skip
"""Actions are within the range however they are turned."""
NUMBERS = ("actions", "obs/robot0_eef_pos", "obs/robot0_eef_quat_site", "obs/robot0_joint_pos", "obs/cube_pos",
           "datagen_info/eef_pose", "datagen_info/target_pose")  # fmt: skip


def fixed(yaw=0.0, x=0.0, y=0.0, z=0.0, **more) -> SceneTransform:
    return SceneTransform(yaw_rad=(yaw, yaw), x_m=(x, x), y_m=(y, y), z_m=(z, z), **more)


def assert_same(found: Batch, wanted: Batch, names=NUMBERS, atol=1e-9):
    for name in names:
        np.testing.assert_allclose(found.array(name), wanted.array(name), atol=atol, err_msg=name)


def targets(batch: Batch, header: Header) -> np.ndarray:
    config = (header.env_args or {})["env_kwargs"]["controller_configs"]
    controller = RecordedController.from_config(config, "1.4.1", 7)
    return controller.target_pose(batch.array("datagen_info/eef_pose"), batch.array("actions"), np.eye(4))


# ---- a scene that is moved -------------------------------------------------------------------------------------


def test_a_motion_moves_poses_positions_and_rotations_by_the_same():
    batch = batch_of((6, 4), GENTLE)
    new = applied(fixed(yaw=0.7, x=0.2, y=-0.1, z=0.05), batch)
    move = make(np.array([0.2, -0.1, 0.05]), rotation_from_axis_angle(np.array([0, 0, 0.7])))
    pose = move @ batch.array("datagen_info/eef_pose")
    np.testing.assert_allclose(new.array("datagen_info/eef_pose"), pose)
    np.testing.assert_allclose(new.array("obs/robot0_eef_pos"), pose[:, :3, 3])
    quat = new.array("obs/robot0_eef_quat_site")
    np.testing.assert_allclose(rotation_from_quat(quat[:, [3, 0, 1, 2]]), pose[:, :3, :3], atol=1e-12)
    assert new.has("obs/cube_pos").tolist() == [True] * 6 + [False] * 4
    for same in ("obs/robot0_joint_pos", "obs/robot0_gripper_qpos", "obs/agentview_image", "rewards"):
        np.testing.assert_array_equal(new.array(same), batch.array(same))


def test_a_motion_and_its_inverse_leave_the_scene_where_it_was():
    batch = batch_of((6, 4), GENTLE)
    there = applied(fixed(yaw=0.7, x=0.2, y=-0.1, about_m=(0.5, 0.3, 0)), batch)
    back = applied(fixed(x=-0.2, y=0.1), there)
    assert_same(applied(fixed(yaw=-0.7, about_m=(0.5, 0.3, 0)), back), batch)


def test_moved_actions_ask_for_the_moved_targets():
    batch = batch_of((30,), GENTLE)
    new = applied(SceneTransform(roll_rad=(-1, 1), pitch_rad=(-1, 1)), batch)
    move = new.array("datagen_info/eef_pose") @ np.linalg.inv(batch.array("datagen_info/eef_pose"))
    np.testing.assert_allclose(targets(new, GENTLE), move @ targets(batch, GENTLE), atol=1e-9)
    np.testing.assert_array_equal(new.array("actions")[:, 6], batch.array("actions")[:, 6])


def test_absolute_actions_are_moved_as_the_poses_that_they_are():
    batch = batch_of((10,), GENTLE)
    one, other = fixed(yaw=0.4, x=0.3), ActionConversion(to="absolute")
    assert_same(applied(one, applied(other, batch)), applied(other, applied(one, batch)))


def test_actions_in_the_base_s_frame_stay_since_the_base_moves_along():
    header = GENTLE.with_(env_args={**(GENTLE.env_args or {}), "env_version": "1.5.1"})
    batch = batch_of((5,), header)
    np.testing.assert_array_equal(applied(fixed(yaw=1.0), batch).array("actions"), batch.array("actions"))


def test_gravity_stays_where_it_is_unless_asked_and_draws_fill_the_range():
    steps = tuple(c for c in scenes.HEADER.steps if c.name == "datagen_info/eef_pose")
    batch = batch_of((1,) * 150, scenes.HEADER.with_(steps=steps))
    new = applied(SceneTransform(), batch)
    move = new.array("datagen_info/eef_pose") @ np.linalg.inv(batch.array("datagen_info/eef_pose"))
    np.testing.assert_allclose(move[:, 2, :], np.tile([0, 0, 1, 0], (150, 1)), atol=1e-12)
    yaw = np.arctan2(move[:, 1, 0], move[:, 0, 0])
    assert abs(yaw.std() - 2 * np.pi / np.sqrt(12)) < 0.25
    assert 0.085 < np.abs(move[:, :2, 3]).max() <= 0.1


def test_models_that_say_where_the_robot_stands_are_taken_away():
    member = scenes.episode(0, 2, model="abc")
    batch = Batch.of(scenes.MemorySource(scenes.HEADER, [member]).parts()[0], scenes.HEADER)
    assert applied(SceneTransform(), batch).episodes.column("model").to_pylist() == [None]
    assert applied(Mirror(), batch).episodes.column("model").to_pylist() == ["abc"]


def test_columns_of_which_nobody_says_what_they_are_are_refused_dropped_or_kept():
    states = Column(name="states", dtype="float64", shape=(9,))
    initial = Column(name="initial_state/states", dtype="float64", shape=(9,))
    header = scenes.HEADER.with_(steps=(*scenes.HEADER.steps, states), episodes=(initial,))
    for kind in (SceneTransform, Mirror):
        with pytest.raises(SettingsError, match=r"how states, initial_state/states would be m(ov|irror)ed"):
            kind().header(header)
        dropped = kind(unknown="drop").header(header)
        assert dropped.steps == scenes.HEADER.steps
        assert dropped.episodes == ()
        assert "left out" in dropped.warnings[-1]
        assert kind(unknown="keep").header(header) == header


def test_a_layout_says_what_a_state_holds():
    state = Column(name="obs/state", dtype="float32", shape=(9,))
    header = Header(steps=(state,))
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (5, 9)).astype(np.float32)
    members = [scenes.MemoryEpisode(scenes.episode(0, 5).row, {"obs/state": values})]
    batch = Batch.of(scenes.MemorySource(header, members).parts()[0], header)
    new = applied(fixed(yaw=np.pi / 2, x=1, layouts={"obs/*": "position vector same3"}), batch).array("obs/state")
    np.testing.assert_allclose(new[:, :3], np.stack([1 - values[:, 1], values[:, 0], values[:, 2]], axis=1), atol=1e-6)
    np.testing.assert_allclose(new[:, 3:6], np.stack([-values[:, 4], values[:, 3], values[:, 5]], axis=1), atol=1e-6)
    np.testing.assert_array_equal(new[:, 6:], values[:, 6:])
    with pytest.raises(SettingsError, match="obs/state has 9 numbers, its layout 'position' is for 3"):
        fixed(layouts={"obs/state": "position"}).header(header)
    with pytest.raises(UnknownNameError, match="no word for the layout of obs/state named 'place'; there are: fingers"):
        fixed(layouts={"obs/state": "place"}).header(header)
    with pytest.raises(UnknownNameError, match="no column in steps named 'obs/x'"):
        fixed(layouts={"obs/x": "same"}).header(header)


def test_what_a_column_says_of_itself_counts():
    def kinds(**said) -> list[tuple[str, bool]]:
        layout = layout_of(Header(), Column(name="x/y", dtype="float32", **said), {})
        return [] if layout is None else [(piece.kind, piece.local) for piece in layout]

    assert kinds(shape=(7,), frame="env", rotation="wxyz") == [("position", False), ("wxyz", False)]
    assert kinds(shape=(4, 4), frame="world") == [("pose", False)]
    assert kinds(shape=(2, 4, 4), frame="world", rotation="matrix") == [("pose", False)] * 2
    assert kinds(shape=(3,), frame="base", unit="m") == [("position", True)]
    assert kinds(shape=(3,)) == []
    assert kinds(shape=(4,), rotation="wxyz") == []
    assert [piece.kind for piece in parsed(Column(name="q", dtype="float32", shape=(7,)), "joints")] == ["joints"]


# ---- a scene that is mirrored ----------------------------------------------------------------------------------


def test_mirroring_twice_changes_nothing():
    batch = batch_of((6, 0, 4))
    twice = applied(Mirror(plane_y_m=0.3), applied(Mirror(plane_y_m=0.3), batch))
    assert_same(twice, batch, atol=1e-6)
    for name in ("obs/agentview_image", "obs/agentview_mask", "rewards"):
        np.testing.assert_array_equal(twice.array(name), batch.array(name))


def test_left_becomes_right():
    batch = batch_of((6, 4))
    new = applied(Mirror(plane_y_m=0.3), batch)
    place = batch.array("obs/robot0_eef_pos")
    np.testing.assert_allclose(new.array("obs/robot0_eef_pos"), place * [1, -1, 1] + [0, 0.6, 0])
    np.testing.assert_array_equal(new.array("obs/agentview_image"), batch.array("obs/agentview_image")[:, :, ::-1])
    fingers = batch.array("obs/robot0_gripper_qpos")
    np.testing.assert_array_equal(new.array("obs/robot0_gripper_qpos"), -fingers[:, ::-1])
    pose, quat = new.array("datagen_info/eef_pose"), new.array("obs/robot0_eef_quat_site")
    np.testing.assert_allclose(rotation_from_quat(quat[:, [3, 0, 1, 2]]), pose[:, :3, :3], atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(pose[:, :3, :3]), 1)
    np.testing.assert_allclose(pose[:, :3, 3], new.array("obs/robot0_eef_pos"))


def test_mirrored_actions_ask_for_the_mirrored_targets():
    batch = batch_of((30,))
    new = applied(Mirror(), batch)
    wanted = targets(batch, scenes.HEADER)
    wanted[:, :3, :3] = np.diag([1, -1, 1]) @ wanted[:, :3, :3] @ np.diag([-1, 1, 1])
    wanted[:, 1, 3] *= -1
    np.testing.assert_allclose(targets(new, scenes.HEADER), wanted, atol=1e-12)
    one, other = Mirror(plane_y_m=0.2), ActionConversion(to="absolute")
    there = [applied(a, applied(b, batch)).array("actions") for a, b in ((one, other), (other, one))]
    np.testing.assert_allclose(there[0][:, :3], there[1][:, :3], atol=1e-9)
    np.testing.assert_allclose(
        rotation_from_axis_angle(there[0][:, 3:6]), rotation_from_axis_angle(there[1][:, 3:6]), atol=1e-9
    )


def test_sines_and_cosines_are_those_of_the_mirrored_joints():
    names = ("joint_pos", "joint_pos_cos", "joint_pos_sin", "joint_vel")
    header = scenes.HEADER.with_(
        steps=tuple(Column(name=f"obs/robot0_{name}", dtype="float64", shape=(7,)) for name in names)
    )
    angles = np.random.default_rng(0).normal(0, 1, (5, 7))
    columns = [angles, np.cos(angles), np.sin(angles), angles]
    values = {f"obs/robot0_{name}": one for name, one in zip(names, columns, strict=True)}
    members = [scenes.MemoryEpisode(scenes.episode(0, 5).row, values)]
    new = applied(Mirror(), Batch.of(scenes.MemorySource(header, members).parts()[0], header))
    mirrored = new.array("obs/robot0_joint_pos")
    np.testing.assert_allclose(new.array("obs/robot0_joint_pos_cos"), np.cos(mirrored), atol=1e-12)
    np.testing.assert_allclose(new.array("obs/robot0_joint_pos_sin"), np.sin(mirrored), atol=1e-12)
    np.testing.assert_array_equal(new.array("obs/robot0_joint_vel"), angles * [-1, 1, -1, 1, -1, 1, -1])
    with pytest.raises(SettingsError, match="not known how obs/robot0_joint_pos_cos would be mirrored"):
        Mirror().header(header.with_(steps=header.steps[:2]))


def test_half_of_the_episodes_can_be_mirrored():
    steps = tuple(c for c in scenes.HEADER.steps if c.name == "obs/robot0_eef_pos")
    batch = batch_of((2,) * 100, scenes.HEADER.with_(steps=steps))
    new = applied(Mirror(probability=0.5), batch)
    sign = (new.array("obs/robot0_eef_pos") / batch.array("obs/robot0_eef_pos"))[:, 1]
    assert (sign[::2] == sign[1::2]).all()
    assert 30 < (sign[::2] == -1).sum() < 70


def test_robots_and_cameras_that_are_not_known_are_refused():
    def env(**changes) -> Header:
        kwargs = {**scenes.ENV_ARGS["env_kwargs"], **changes}
        return scenes.HEADER.with_(env_args={**scenes.ENV_ARGS, "env_kwargs": kwargs})

    with pytest.raises(SettingsError, match="how obs/robot0_joint_pos, obs/robot0_gripper_qpos would be mirrored"):
        Mirror().header(env(robots=["Sawyer"]))
    side = Column(name="obs/sideview_image", dtype="uint8", shape=(8, 10, 3))
    with pytest.raises(SettingsError, match="how obs/sideview_image would be mirrored"):
        Mirror().header(scenes.HEADER.with_(steps=(*scenes.HEADER.steps, side)))
    assert Mirror(cameras=("*view_*",)).header(scenes.HEADER.with_(steps=(*scenes.HEADER.steps, side)))
    two = env(robots=["Panda", "Panda"], controller_configs={**scenes.CONTROLLER, "type": "OSC_POSITION"})
    wide = Column(name="actions", dtype="float64", shape=(8,))
    with pytest.raises(SettingsError, match="one robot can be mirrored; actions are for 2"):
        Mirror().header(two.with_(steps=(wide,)))


@pytest.mark.sim
@pytest.mark.parametrize("name", ["Panda", "IIWA"])
def test_mirrored_joint_angles_reach_the_mirrored_pose(name):
    mujoco = pytest.importorskip("mujoco")
    from robosuite.models.grippers import gripper_factory
    from robosuite.models.robots import create_robot

    from trajloom.augment.mirror import ROBOTS

    robot = create_robot(name, idn=0)
    gripper: Any = gripper_factory
    robot.add_gripper(gripper("PandaGripper", idn="0_right"), robot.eef_name["right"])
    model = mujoco.MjModel.from_xml_string(robot.get_xml())
    data = mujoco.MjData(model)
    joints = [model.joint(joint).qposadr[0] for joint in robot.joints]
    (site,) = [i for i in range(model.nsite) if model.site(i).name.endswith("grip_site")]

    def reached(angles):
        data.qpos[joints] = angles
        mujoco.mj_kinematics(model, data)
        return make(data.site_xpos[site].copy(), data.site_xmat[site].reshape(3, 3).copy())

    rng, known = np.random.default_rng(0), ROBOTS[name]
    for _ in range(20):
        angles = robot.init_qpos + rng.normal(0, 0.5, 7)
        pose, mirrored = reached(angles), reached(np.array(known.signs) * angles + known.offsets_rad)
        wanted = np.diag([1, -1, 1, 1]) @ pose @ np.diag([-1, 1, 1, 1])
        np.testing.assert_allclose(mirrored, wanted, atol=2e-3)
    np.testing.assert_allclose(np.array(known.signs) * robot.init_qpos + known.offsets_rad, robot.init_qpos, atol=1e-9)
