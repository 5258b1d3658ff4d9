"""What every scripted expert must do, found by its name."""

from functools import cache

import numpy as np
import pytest

from trajloom.engine.segments import SourceDemo, Sources
from trajloom.errors import UnknownNameError
from trajloom.rollout import Rollout
from trajloom.seeding import rng_for
from trajloom.sim import policies, tasks
from trajloom.sim.annotate import annotate_episode
from trajloom.sim.scene import RobosuiteScene, make_scene
from trajloom.task import DatagenInfo

pytestmark = pytest.mark.sim

NAMES = policies.names()
EPISODES = 2


@cache
def scene_of(name: str) -> RobosuiteScene:
    return make_scene(name)


@cache
def episodes(name: str) -> list[Rollout]:
    """Two episodes of different seeds."""
    return [policies.run_expert(scene_of(name), name, rng_for(3, name, k)) for k in range(EPISODES)]


@pytest.mark.parametrize("name", NAMES)
def test_an_expert_does_its_task_and_leaves_it_done(name):
    for episode in episodes(name):
        assert episode.success, episode.reason
        assert episode.reason is None
        assert np.all(episode.columns["rewards"][-3:] == 1), "the end is not stable"
        assert episode.length <= tasks.get(name).horizon


@pytest.mark.parametrize("name", NAMES)
def test_its_episodes_are_sources_as_they_are(name):
    demos = [
        SourceDemo(episode_index=k, name=f"demo_{k}", info=DatagenInfo.from_columns(episode.columns))
        for k, episode in enumerate(episodes(name))
    ]
    # checks the ends of all subtasks with the largest and smallest offsets
    assert len(Sources.from_demos(demos, tasks.get(name).spec)) == EPISODES


@pytest.mark.parametrize("name", NAMES)
def test_its_signals_rise_once_and_in_the_order_of_the_subtasks(name):
    wanted = [subtask.subtask_term_signal for _, _, subtask in tasks.get(name).spec if subtask.subtask_term_signal]
    for episode in episodes(name):
        rises = [np.flatnonzero(np.diff(signal(episode, one), prepend=0) > 0) for one in wanted]
        assert all(len(rise) == 1 for rise in rises)
        ends = np.array([0, *(int(rise[0]) for rise in rises), episode.length])
        assert np.all(np.diff(ends) > 20), "too close for an offset of 20 steps"


@pytest.mark.parametrize("name", NAMES)
def test_it_moves_within_what_an_action_can_ask_for(name):
    for episode in episodes(name):
        arm = np.abs(episode.columns["actions"][:, :6])
        assert np.mean(arm >= 1) < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_every_demonstrator_is_another(name):
    one, other = episodes(name)
    assert one.length != other.length or not np.array_equal(one.columns["actions"], other.columns["actions"])


@pytest.mark.parametrize("name", NAMES)
def test_replaying_its_states_gives_its_datagen_info_again(name):
    episode, scene = episodes(name)[0], scene_of(name)
    recorded = DatagenInfo.from_columns(episode.columns).to_columns()
    annotation = annotate_episode(
        episode.columns["states"],
        episode.columns["actions"],
        episode.model_xml,
        tasks.get(name),
        version=scene.env_args["env_version"],
        controller=scene.env_args["env_kwargs"]["controller_configs"],
    )
    judged = any("judged" in note for note in annotation.notes)
    for path, values in annotation.info.to_columns().items():
        if "signals" in path and judged:
            first, again = (int(np.argmax(one)) for one in (recorded[path], values))
            assert abs(first - again) <= 3, path
        else:
            np.testing.assert_allclose(values, recorded[path], atol=1e-6, err_msg=path)


def test_the_same_stream_gives_the_same_episode():
    again = policies.run_expert(scene_of("lift"), "lift", rng_for(3, "lift", 0))
    for name, values in episodes("lift")[0].columns.items():
        np.testing.assert_array_equal(values, again.columns[name], err_msg=name)


def test_every_task_has_an_expert():
    assert tasks.names() == NAMES


def test_an_unknown_expert_is_refused_with_those_that_there_are():
    with pytest.raises(UnknownNameError, match="no scripted expert named 'juggle'; there are: door, lift"):
        policies.get("juggle")


def signal(episode: Rollout, name: str) -> np.ndarray:
    return episode.columns[f"datagen_info/subtask_term_signals/{name}"]
