"""Going back in the real simulator: the path that is kept is one that robosuite's physics went without a break."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

from trajloom.engine.generate import Settings, attempt
from trajloom.engine.segments import SourceDemo, Sources
from trajloom.seeding import rng_for
from trajloom.sim import policies, tasks
from trajloom.sim.scene import RobosuiteScene, make_scene
from trajloom.task import DatagenInfo

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def scene() -> RobosuiteScene:
    return make_scene("stack")


@pytest.fixture(scope="module")
def sources(scene: RobosuiteScene) -> Sources:
    """Two demonstrations by the expert, the first of which never closes its gripper."""
    demos = []
    for number in range(2):
        columns = policies.run_expert(scene, "stack", rng_for(3, "search", number)).columns
        demos.append(SourceDemo(number, f"demo_{number}", DatagenInfo.from_columns(columns)))
    bad: Any = demos[0].info
    demos[0] = replace(demos[0], info=replace(bad, gripper_action=np.full_like(bad.gripper_action, -1.0)))
    return Sources.from_demos(demos, scene.spec)


def test_the_path_that_is_kept_is_one_that_physics_went(scene: RobosuiteScene, sources: Sources):
    settings = Settings(tries=4, select_src_per_subtask=True)
    made = (attempt(scene, sources, scene.spec, settings, rng_for(7, seed)) for seed in range(10))
    rollout = next(one for one in made if one.success and any(not t.success for t in one.tries))
    assert {choice.source_episode for choice in rollout.choices if choice.subtask == 0} == {1}
    assert rollout.initial_state is not None
    seed = next(s for s in range(10) if _starts(scene, s, rollout.initial_state))
    scene.reset(rng_for(int(rng_for(7, seed).integers(2**63)), "reset"))
    for state, action in zip(rollout.columns["states"], rollout.columns["actions"], strict=True):
        np.testing.assert_array_equal(scene.state(), state)
        scene.step(action)


def _starts(scene: RobosuiteScene, seed: int, state: np.ndarray) -> bool:
    scene.reset(rng_for(int(rng_for(7, seed).integers(2**63)), "reset"))
    return np.array_equal(scene.state(), state)


@pytest.mark.parametrize("name", tasks.names())
def test_no_task_is_hopeless_from_the_start(name: str):
    scene = make_scene(name)
    for variant in tasks.get(name).variants:
        scene.variant = variant
        scene.reset(rng_for(0, variant))
        assert scene.hopeless() == ""


def test_a_cube_that_fell_off_the_table_is_the_end_of_a_try(scene: RobosuiteScene, sources: Sources):
    scene.reset(rng_for(0))
    body = scene.model.body("cubeA_main")
    scene.data.qpos[scene.model.jnt_qposadr[body.jntadr[0]] + 2] = 0.1
    scene.step(np.zeros(scene.action_dim))
    assert "cubeA fell off the table" in scene.hopeless()
