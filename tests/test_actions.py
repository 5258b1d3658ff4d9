"""robosuite's actions as target poses and back: arithmetic, settings of every version, real demonstrations."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from in_memory import MemoryEpisode, MemorySource, source
from trajloom import mjcf, osc, poses
from trajloom.dataset import Dataset, read
from trajloom.edit.actions import actions, clipped
from trajloom.errors import LayoutError, SettingsError, SourceError, UnknownNameError
from trajloom.osc import RecordedController
from trajloom.schema import Column, Header, check

LIFT = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
FLAT = {"type": "OSC_POSE", "control_delta": True, "input_max": 1, "input_min": -1}
PART = {"type": "OSC_POSE", "input_type": "delta", "input_ref_frame": "world", "gripper": {"type": "GRIP"}}
COMPOSITE = {"type": "BASIC", "body_parts": {"arms": {"right": PART}}}
XML = """
<mujoco><worldbody>
  <body name="robot0_base" pos="-0.5 0 0.9" quat="0.7071067811865476 0 0 0.7071067811865476">
    <site name="robot0_right_center" pos="0 0 0.1"/>
    <body name="robot0_link1"><joint name="j1"/>
      <body name="robot0_right_hand" quat="0.9238795325112867 0 0 -0.3826834323650898"><joint name="j2"/>
        <body name="gripper0_right_eef" pos="0 0 0.1" quat="0.7071067811865476 0 0 -0.7071067811865476">
          <site name="gripper0_right_grip_site" pos="0 0 0.01"/>
        </body>
        <body name="finger"><joint name="f"/><site name="tip"/></body>
      </body>
    </body>
  </body>
</worldbody></mujoco>
"""

numbers = st.floats(-1, 1)
episodes = st.integers(1, 12).flatmap(lambda n: hnp.arrays(np.float64, (n, 7), elements=numbers))
seeds = st.integers(0, 2**31)


def reached(count: int, seed: int = 0) -> np.ndarray:
    """Poses (T, 4, 4) anywhere."""
    rng = np.random.default_rng(seed)
    return poses.make(rng.uniform(-1, 1, (count, 3)), poses.rotation_from_axis_angle(rng.uniform(-3, 3, (count, 3))))


def recorded(config: Any = FLAT, version: str | None = None) -> RecordedController:
    return RecordedController.from_config(config, version, 7)


def robosuite(
    acts: np.ndarray, config: Any = FLAT, version: str | None = None, poses_as: str = "matrix", xml: str | None = None
) -> MemorySource:
    """An episode of an arm that is where it likes."""
    eef = reached(len(acts))
    quat = poses.quat_from_rotation(eef[:, :3, :3])[:, [1, 2, 3, 0]]
    columns = {"actions": acts, "obs/robot0_eef_pos": eef[:, :3, 3].copy()}
    columns.update(
        {
            "matrix": {"datagen_info/eef_pose": eef},
            "site": {"obs/robot0_eef_quat_site": quat, "obs/robot0_eef_quat": quat[::-1].copy()},
            "hand": {"obs/robot0_eef_quat": quat},
            "position": {},
        }[poses_as]
    )
    args = {"env_name": "Lift", "type": 1, "env_version": version, "env_kwargs": {"controller_configs": config}}
    header = Header(
        steps=tuple(Column(name=n, dtype=str(v.dtype), shape=v.shape[1:]) for n, v in columns.items()),
        control_hz=20.0,
        env_args=args,
    )
    row = {"episode_index": 0, "name": "demo_0", "length": len(acts), "attrs": "{}", "model": xml and "hash"}
    return MemorySource(header, [MemoryEpisode(row, columns)], xml={"hash": xml} if xml else {})


def some(count: int = 6, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 7))


def acts_of(source) -> np.ndarray:
    return next(Dataset(source).iter_episodes(["actions"])).columns["actions"]


# ---- arithmetic ------------------------------------------------------------------------------------------------


@given(episodes, seeds, st.sampled_from(["1.4.1", "1.5.2", None]))
def test_there_and_back_is_the_same_action(acts, seed, version):
    eef, one = reached(len(acts), seed), recorded(version=version)
    absolute, outside = one.to_absolute(eef, acts, np.eye(4))
    back, beyond = one.to_delta(eef, absolute, np.eye(4))
    np.testing.assert_allclose(back, acts, atol=1e-9)
    assert not outside.any()
    assert not beyond.any()


@given(episodes, seeds)
def test_absolute_actions_are_the_target_poses_of_annotation(acts, seed):
    """Where every action turns: before 1.5 one that does not keeps the last target."""
    acts[:, 3] = np.where(np.abs(acts[:, 3]) < 1e-9, 0.5, acts[:, 3])
    eef, base = reached(len(acts), seed), reached(1, seed + 1)[0]
    for frame in ("world", "base"):
        config = {**FLAT, "input_ref_frame": frame, "output_max": 0.1, "output_min": -0.1}
        delta, absolute = recorded(config), recorded({**config, "control_delta": False})
        made, _ = delta.to_absolute(eef, acts, base)
        np.testing.assert_allclose(absolute.target_pose(eef, made, base), delta.target_pose(eef, acts, base), atol=1e-9)


def test_the_scaling_is_the_controllers():
    config = {
        **FLAT,
        "input_max": 2,
        "input_min": -2,
        "output_max": [0.1] * 3 + [1] * 3,
        "output_min": [-0.1] * 3 + [-1] * 3,
    }
    made, _ = recorded(config).to_absolute(np.eye(4)[None], np.array([[2.0, -1, 0, 0, 0, 1, -0.3]]), np.eye(4))
    np.testing.assert_allclose(made, [[0.1, -0.05, 0, 0, 0, 0.5, -0.3]])


def test_what_is_clipped_is_told_and_is_what_the_controller_does():
    acts = some()
    acts[2, 1], acts[4, 3], acts[5, 0] = 3.75, -1.5, 1 + 1e-12
    eef, one = reached(6), recorded()
    made, outside = one.to_absolute(eef, acts, np.eye(4))
    assert np.flatnonzero(outside).tolist() == [2, 4]
    same, _ = one.to_absolute(eef, np.hstack([np.clip(acts[:, :6], -1, 1), acts[:, 6:]]), np.eye(4))
    np.testing.assert_array_equal(made, same)
    far = made.copy()
    far[1, 0] += 1
    back, beyond = one.to_delta(eef, far, np.eye(4))
    assert np.flatnonzero(beyond).tolist() == [1]
    assert back[1, 0] == 1


def test_before_robosuite_1_5_no_turn_keeps_the_last_target():
    acts = some(5)
    acts[2:4, 3:6] = 0
    eef = reached(5)
    old, _ = recorded(version="1.4.1").to_absolute(eef, acts, np.eye(4))
    np.testing.assert_array_equal(old[2:4, 3:6], old[[1, 1], 3:6])
    new, _ = recorded(version="1.5.2").to_absolute(eef, acts, np.eye(4))
    turned = poses.rotation_from_axis_angle(new[2:4, 3:6])
    np.testing.assert_allclose(turned, eef[2:4, :3, :3], atol=1e-9)
    back, _ = recorded(version="1.4.1").to_delta(eef, old, np.eye(4))
    assert not back[2:4, 3:6].any()
    np.testing.assert_allclose(back, acts, atol=1e-9)


def test_a_target_that_was_not_reached_is_not_held():
    one, eef = recorded(version="1.4.1"), np.tile(np.eye(4), (3, 1, 1))
    asked = np.tile([0, 0, 0, 0, 0, 0.8, 1.0], (3, 1))
    back, beyond = one.to_delta(eef, asked, np.eye(4))
    assert beyond.tolist() == [True] * 3
    assert back[:, 5].tolist() == [1, 1, 1]


def test_a_controller_of_the_position_alone_leaves_rotations_out():
    one = RecordedController.from_config({**FLAT, "type": "OSC_POSITION"}, None, 4)
    acts, eef = some()[:, :4], reached(6)
    made, _ = one.to_absolute(eef, acts, np.eye(4))
    np.testing.assert_allclose(made[:, :3], eef[:, :3, 3] + 0.05 * acts[:, :3])
    np.testing.assert_allclose(one.to_delta(eef, made, np.eye(4))[0], acts, atol=1e-9)


# ---- datasets --------------------------------------------------------------------------------------------------


def test_real_demonstrations_come_back_within_a_billionth():
    data = read(LIFT)
    absolute = data.actions("absolute")
    back = absolute.actions("delta")
    moved = 0.0
    for was, there, now in zip(data.iter_episodes(), absolute.iter_episodes(), back.iter_episodes(), strict=True):
        np.testing.assert_allclose(now.columns["actions"], was.columns["actions"], rtol=0, atol=1e-9)
        way = there.columns["actions"][:, :3] - was.columns["obs/robot0_eef_pos"]
        np.testing.assert_allclose(way, 0.05 * was.columns["actions"][:, :3], atol=1e-12)
        moved = max(moved, np.abs(way).max())
        assert {n: v.tobytes() for n, v in now.columns.items() if n != "actions"} == {
            n: v.tobytes() for n, v in was.columns.items() if n != "actions"
        }
    assert moved == pytest.approx(0.05)
    assert clipped(absolute.source) == clipped(back.source) == {}
    assert back.header.env_args == data.header.env_args


def test_a_real_file_says_in_env_args_what_its_actions_are(tmp_path):
    read(LIFT).actions("absolute").write(tmp_path / "absolute.hdf5")
    again = read(tmp_path / "absolute.hdf5")
    assert again.header.env_args is not None
    assert again.header.env_args["env_kwargs"]["controller_configs"]["control_delta"] is False
    with pytest.raises(SettingsError, match="the actions are absolute already"):
        again.actions("absolute")
    wanted = acts_of(read(LIFT).source)
    np.testing.assert_allclose(acts_of(again.actions("delta").source), wanted, atol=1e-9)


@pytest.mark.shared_data
def test_a_teleoperation_file_without_poses_says_what_is_needed():
    from conftest import SHARED_DATA

    path = SHARED_DATA / "robosuite_1.4.1_lift" / "demo.hdf5"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with pytest.raises(SettingsError, match="reached pose"):
        read(path).actions("absolute")


def test_clipped_steps_are_counted_for_every_episode_and_kept_in_a_file(tmp_path):
    acts = some()
    acts[[1, 3], 0] = 2
    new = actions(robosuite(acts), "absolute")
    assert clipped(new) == {"demo_0": 2}
    assert any("clipped_to_absolute" in warning for warning in new.header.warnings)
    Dataset(new).write(tmp_path / "out.hdf5")
    assert clipped(read(tmp_path / "out.hdf5").source) == {"demo_0": 2}
    assert clipped(actions(robosuite(some()), "absolute")) == {}


@pytest.mark.parametrize(
    ("config", "version", "changed"),
    [
        (FLAT, None, {**FLAT, "control_delta": False}),
        ({"type": "OSC_POSE"}, "1.4.1", {"type": "OSC_POSE", "control_delta": False}),
        ({"type": "OSC_POSE"}, "1.5.0", {"type": "OSC_POSE", "input_type": "absolute"}),
        (COMPOSITE, "1.5.2", {**COMPOSITE, "body_parts": {"arms": {"right": {**PART, "input_type": "absolute"}}}}),
        ({"body_parts": {"right": PART}}, None, {"body_parts": {"right": {**PART, "input_type": "absolute"}}}),
        ([FLAT], "1.4.1", [{**FLAT, "control_delta": False}]),
    ],
)
def test_settings_of_every_version_are_read_and_changed(config, version, changed):
    plain = robosuite(some(), config, version)
    # a base-frame controller needs the base, which the next test is about
    if version == "1.5.0":
        plain = robosuite(some(), {**config, "input_ref_frame": "world"}, version)
        changed = {**changed, "input_ref_frame": "world"}
    new = actions(plain, "absolute")
    assert new.header.env_args is not None
    assert new.header.env_args["env_kwargs"]["controller_configs"] == changed
    back = actions(new, "delta")
    np.testing.assert_allclose(acts_of(back), acts_of(plain), atol=1e-9)


def test_a_base_frame_is_read_off_the_model():
    config = {**PART, "input_ref_frame": "base"}
    made = acts_of(actions(robosuite(some(), config, "1.5.2", xml=XML), "absolute"))
    eef, acts = reached(6), some()
    base = poses.make(np.array([-0.5, 0, 1.0]), poses.rotation_from_axis_angle(np.array([0, 0, np.pi / 2])))
    seen = poses.invert(base) @ eef
    np.testing.assert_allclose(made[:, :3], seen[:, :3, 3] + 0.05 * acts[:, :3], atol=1e-12)
    with pytest.raises(SourceError, match="demo_0: it has no model"):
        acts_of(actions(robosuite(some(), config, "1.5.2"), "absolute"))
    moving = XML.replace('<site name="robot0_right_center" pos="0 0 0.1"/>', '<joint name="slide"/>', 1)
    with pytest.raises(SourceError, match="demo_0: robot0_base moves"):
        acts_of(actions(robosuite(some(), config, "1.5.2", xml=moving), "absolute"))


def test_the_hands_quaternion_is_turned_to_the_site_that_is_controlled():
    """The gripper is a quarter turn from the hand: what turns the hand is not what turns the site."""
    by_hand = acts_of(actions(robosuite(some(), poses_as="hand", xml=XML), "absolute"))
    by_site = acts_of(actions(robosuite(some(), poses_as="site"), "absolute"))
    hand, site = (poses.rotation_from_axis_angle(one[:, 3:6]) for one in (by_hand, by_site))
    quarter = poses.rotation_from_axis_angle(np.array([0, 0, -np.pi / 2]))
    np.testing.assert_allclose(hand, site @ quarter, atol=1e-9)
    with pytest.raises(SourceError, match="demo_0: it has no model"):
        acts_of(actions(robosuite(some(), poses_as="hand"), "absolute"))
    elsewhere = XML.replace("gripper0_right_grip_site", "gone").replace(
        '<site name="robot0_right_center"', '<site name="gripper0_grip_site"/><site name="robot0_right_center"'
    )
    with pytest.raises(SourceError, match="is not part of body robot0_right_hand"):
        acts_of(actions(robosuite(some(), poses_as="hand", xml=elsewhere), "absolute"))


@pytest.mark.parametrize("batch_rows", [1, 4, 1000])
def test_batches_do_not_matter_and_tables_fit(batch_rows):
    acts = some(9)
    acts[3:5, 3:6] = 0
    plain = robosuite(acts, version="1.4.1")
    cut = MemorySource(plain.header, plain.members, batch_rows=batch_rows)
    new = actions(cut, "absolute")
    for part in new.parts():
        table = pa.Table.from_batches(part.steps())
        check(table, new.header.steps_schema)
        check(part.episodes(), new.header.episodes_schema)
        assert [b.schema.names for b in part.steps(["actions"])] == [["actions"]] * len(list(part.steps(["actions"])))
        assert next(iter(part.steps(["obs/robot0_eef_pos"]))).schema.names == ["obs/robot0_eef_pos"]
    np.testing.assert_array_equal(acts_of(new), acts_of(actions(plain, "absolute")))


def test_single_precision_stays_and_comes_back_nearly():
    acts = some().astype(np.float32)
    new = actions(robosuite(acts), "absolute")
    assert acts_of(new).dtype == np.float32
    np.testing.assert_allclose(acts_of(actions(new, "delta")), acts, atol=1e-5)


@pytest.mark.parametrize(
    ("plain", "to", "error", "message"),
    [
        (robosuite(some()), "both", UnknownNameError, "absolute, delta"),
        (robosuite(some()), "delta", SettingsError, "the actions are delta already"),
        (robosuite(some(), None), "absolute", SettingsError, "controller_configs in env_args; this dataset has none"),
        (source(), "absolute", SettingsError, "this dataset has none"),
        (robosuite(some(), {"type": "JOINT_POSITION"}), "absolute", SettingsError, "got 'JOINT_POSITION'"),
        (robosuite(some(), {**FLAT, "impedance_mode": "variable"}), "absolute", SettingsError, "fixed impedance"),
        (robosuite(some(), version="1.1.0"), "absolute", SettingsError, "robosuite 1.1.0 takes other absolute"),
        (robosuite(some(), poses_as="position"), "absolute", SettingsError, "datagen_info/eef_pose or obs/robot0_eef"),
        (robosuite(some()[:, :6]), "absolute", SettingsError, "actions have 6"),
        (robosuite(some().astype(np.int64)), "absolute", SettingsError, "they are int64"),
    ],
)
def test_what_cannot_be_converted_says_why(plain, to, error, message):
    with pytest.raises(error, match=message):
        actions(plain, to)


def test_two_robots_are_refused():
    plain = robosuite(np.hstack([some(), some()]))
    args = plain.header.env_args
    assert args is not None
    kwargs = {**args["env_kwargs"], "robots": ["Panda", "Panda"]}
    two = MemorySource(plain.header.with_(env_args={**args, "env_kwargs": kwargs}), plain.members)
    with pytest.raises(SettingsError, match="the environment has 2 robots"):
        actions(two, "absolute")


def test_an_episode_without_poses_is_named():
    plain = robosuite(some())
    steps = tuple(
        Column(name=c.name, dtype=c.dtype, shape=c.shape, nullable="pose" in c.name) for c in plain.header.steps
    )
    columns = {name: v for name, v in plain.members[0].columns.items() if "pose" not in name}
    lacking = MemorySource(plain.header.with_(steps=steps), [MemoryEpisode(plain.members[0].row, columns)])
    with pytest.raises(SourceError, match="demo_0: it has no datagen_info/eef_pose"):
        acts_of(actions(lacking, "absolute"))


def test_a_part_can_be_sent_to_another_process():
    part = actions(read(LIFT).source, "absolute").parts()[0]
    wanted = pa.Table.from_batches(part.steps())
    assert pa.Table.from_batches(pickle.loads(pickle.dumps(part)).steps()).equals(wanted)


def test_it_is_a_command(tmp_path):
    from typer.testing import CliRunner

    from trajloom.cli.main import typer_app

    acts = some()
    acts[1, 0] = 2
    Dataset(robosuite(acts)).write(tmp_path / "in")
    words = ["actions", str(tmp_path / "in"), str(tmp_path / "out"), "--to", "absolute"]
    done = CliRunner().invoke(typer_app, words)
    assert done.stdout == f"{tmp_path / 'out'}\n"
    assert "demo_0: 1 steps were clipped" in done.stderr
    np.testing.assert_array_equal(acts_of(read(tmp_path / "out").source), acts_of(actions(robosuite(acts))))


# ---- models ----------------------------------------------------------------------------------------------------


def test_a_model_tells_what_stands_still():
    root = mjcf.parse(XML)
    np.testing.assert_allclose(mjcf.pose_in_world(root, "site", "robot0_right_center")[:3, 3], [-0.5, 0, 1.0])
    found = mjcf.site_in_body(root, "gripper0_right_grip_site", "robot0_right_hand")
    np.testing.assert_allclose(found[:3, 3], [0, 0, 0.11])
    np.testing.assert_allclose(poses.axis_angle_from_rotation(found[:3, :3]), [0, 0, -np.pi / 2])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda root: mjcf.pose_in_world(root, "site", "gripper0_right_grip_site"), "moves"),
        (lambda root: mjcf.site_in_body(root, "tip", "robot0_right_hand"), "tip moves: finger between"),
        (lambda root: mjcf.pose_in_world(root, "body", "robot1_base"), "no body named robot1_base; there are: finger"),
    ],
)
def test_what_moves_or_is_not_there_is_named(ask, message):
    with pytest.raises(LayoutError, match=message):
        ask(mjcf.parse(XML))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ('euler="0 0 1"', "as euler; quat is what we read"),
        ('quat="0 0 0 0"', "zeros"),
        ('pos="1 2"', "pos must be 3 numbers"),
        ('pos="a b c"', "pos must be 3 numbers"),
        ('pos="nan 0 0"', "pos must be 3 numbers"),
    ],
)
def test_a_frame_that_is_not_read_is_named(frame, message):
    root = mjcf.parse(f'<mujoco><worldbody><body name="a" {frame}/></worldbody></mujoco>')
    with pytest.raises(LayoutError, match=message):
        mjcf.pose_in_world(root, "body", "a")


def test_settings_are_changed_without_touching_the_old_ones():
    before = json.dumps(COMPOSITE)
    assert osc.is_absolute(osc.with_input(COMPOSITE, None, absolute=True))
    assert not osc.is_absolute(COMPOSITE)
    assert json.dumps(COMPOSITE) == before


@pytest.mark.parametrize("xyz", [(0.0, 0.0, 0.0), (0.0, 0.0, 0.02)])
def test_targets_under_settings_that_say_changes_are_refused(xyz):
    acts = some(12)
    acts[:, :3] = reached(12)[:, :3, 3] + xyz
    with pytest.raises(SourceError, match=r"demo_0: its actions are not what control_delta .* from where the hand is"):
        acts_of(actions(robosuite(acts)))


def test_changes_under_settings_that_say_targets_are_refused():
    with pytest.raises(SourceError, match="out of reach of targets, as they are said to be"):
        acts_of(actions(robosuite(some(12), {**FLAT, "control_delta": False}), "delta"))
