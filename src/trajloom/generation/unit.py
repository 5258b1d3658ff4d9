"""One unit of a run: its attempts, and the rows that they become."""

import re
import threading
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from trajloom.engine import generate as engine
from trajloom.engine.experience import Experience
from trajloom.engine.segments import Sources
from trajloom.errors import TrajloomError, TrajloomWarning
from trajloom.generation.recipe import Recipe, made_by
from trajloom.rollout import Recorder, Rollout, Try
from trajloom.schema import ELEMENT_TYPES, Column, Header, is_own_step, stored_name
from trajloom.seeding import process_state, rng_for
from trajloom.store import PartWriter
from trajloom.tables import choices_array, episodes_table, steps_batch
from trajloom.task import TaskSpec

if TYPE_CHECKING:
    from trajloom.sim.scene import RobosuiteScene


class _Made(NamedTuple):
    scene: "RobosuiteScene"
    notes: tuple[str, ...]


class _Scenes(threading.local):
    """The scenes of one thread, which alone uses them; the last two are kept."""

    def __init__(self) -> None:
        self.of = lru_cache(maxsize=2)(_make_scene)


def _make_scene(**settings: Any) -> _Made:
    """A scene, and what making it warned of: warnings of a worker are read by nobody, so the client says them."""
    from trajloom.sim.scene import make_scene

    # robosuite draws from the global generators while it builds, and warnings are caught for the whole process
    with process_state, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TrajloomWarning)
        scene = make_scene(**settings)
    return _Made(scene, tuple(str(one.message) for one in said if issubclass(one.category, TrajloomWarning)))


_scenes = _Scenes()


def _made_for(recipe: Recipe) -> _Made:
    return _scenes.of(
        task=recipe.task,
        variant=recipe.variant,
        robot=recipe.robot,
        gripper=recipe.gripper,
        control_hz=recipe.control_hz,
        loop=recipe.loop,
    )


def scene_for(recipe: Recipe) -> "RobosuiteScene":
    """The environment that a recipe needs: made once in each thread, and used by no other."""
    return _made_for(recipe).scene


def notes_on(recipe: Recipe) -> tuple[str, ...]:
    """What making this thread's environment for a recipe warned of."""
    return _made_for(recipe).notes


def attempt(
    recipe: Recipe,
    number: int,
    sources: Sources | None,
    experience: Experience | None = None,
    keep_branches: bool = False,
) -> Rollout:
    """Attempt `number` of a run; an error that is not ours becomes a failed attempt with its reason."""
    rng = rng_for(recipe.seed, "attempt" if recipe.kind == "mimicgen" else "expert", number)
    scene = scene_for(recipe)
    try:
        if recipe.kind == "expert":
            from trajloom.sim.policies import run_expert

            return run_expert(scene, recipe.task, rng)
        assert sources is not None
        assert recipe.spec is not None
        spec, settings = TaskSpec.from_json(recipe.spec), engine.Settings(**recipe.engine)
        return engine.attempt(scene, sources, spec, settings, rng, experience=experience, keep_branches=keep_branches)
    except TrajloomError:
        raise
    except Exception as error:
        return Rollout(success=False, columns={}, reason=f"raised {type(error).__name__}: {error}")


def lost(reason: str) -> Rollout:
    """An attempt whose process crashed or hung, again, while it ran alone."""
    return Rollout(success=False, columns={}, reason=reason)


def probe(recipe: Recipe) -> Header:
    """The header of a run's dataset, from one step of its scene."""
    scene = scene_for(recipe)
    scene.reset(rng_for(recipe.seed, "probe"))
    recorder = Recorder(scene)
    still = scene.target_pose_to_action(scene.eef_pose())
    recorder.step(scene.join_action(still, scene.gripper_action(np.zeros(scene.action_dim))))
    columns = recorder.columns()
    return Header(
        steps=tuple(_column(name, values) for name, values in columns.items() if not is_own_step(name)),
        eefs=scene.eefs if recipe.kind == "mimicgen" else (),
        control_hz=recipe.control_hz,
        env_args=scene.env_args,
        sources=recipe.sources,
        tries=recipe.engine.get("tries", 1) > 1,
        generation={"id": recipe.id, "recipe": recipe.to_json()},
        made_by=made_by(),
    )


MEANINGS = {
    r"datagen_info/(eef_pose|target_pose|object_poses)": ("m", "world"),
    r"obs/robot\d+_eef_pos$": ("m", "world"),
    r"obs/robot\d+_eef_quat": (None, "world"),
    r"obs/robot\d+_joint_pos$": ("rad", None),
    r"obs/robot\d+_joint_vel$": ("rad/s", None),
    r"obs/robot\d+_gripper_qpos$": ("m", None),
    r"obs/robot\d+_gripper_qvel$": ("m/s", None),
}
"""Column -> unit and frame, for what our scenes make."""


def _column(path: str, values: np.ndarray) -> Column:
    dtype = str(values.dtype)
    assert dtype in ELEMENT_TYPES, f"{path}: {dtype}"
    unit, frame = next((meaning for name, meaning in MEANINGS.items() if re.match(name, path)), (None, None))
    return Column(
        name=stored_name(path),
        dtype=dtype,
        shape=values.shape[1:],
        unit=unit,
        frame=frame,
        when="after" if path in ("rewards", "dones") else "before",
    )


def write_unit(part: PartWriter, header: Header, recipe: Recipe, rollouts: Mapping[int, Rollout]) -> None:
    """Put the attempts of a unit into a part: all into `attempts`, those that are kept into episodes and steps."""
    episodes = []
    for number, rollout in sorted(rollouts.items()):
        if not (rollout.success or recipe.keep_failed) or not rollout.length:
            continue
        part.write_steps(steps_batch(header, number, rollout.columns))
        episodes.append(_episode_row(recipe, number, rollout, part.add_model(rollout.model_xml)))
    part.write_episodes(episodes_table(header, episodes))
    part.write_attempts(attempts_table(header, recipe.seed, rollouts))


def _episode_row(recipe: Recipe, number: int, rollout: Rollout, model: str | None) -> dict[str, Any]:
    return {
        "episode_index": number,
        "name": f"demo_{number}",
        "length": rollout.length,
        "success": rollout.success,
        "seed": recipe.seed,
        "task": recipe.task,
        "splits": [],
        "model": model,
        "attrs": "{}",
    }


def attempts_table(header: Header, seed: int, rollouts: Mapping[int, Rollout]) -> pa.Table:
    """The ledger's rows of some attempts."""
    schema = header.attempts_schema
    tried = sorted(rollouts.items())
    values: dict[str, Any] = {
        "attempt": [number for number, _ in tried],
        "seed": [seed] * len(tried),
        "success": [bool(rollout.success) for _, rollout in tried],
        "failed_subtask": [rollout.failed_subtask for _, rollout in tried],
        "reason": [rollout.reason for _, rollout in tried],
        "steps": [rollout.simulated_steps for _, rollout in tried],
        "choices": choices_array([[asdict(choice) for choice in rollout.choices] for _, rollout in tried]),
        "tries": [[_try_row(one) for one in rollout.tries] for _, rollout in tried],
    }
    return pa.table([pa.array(values[f.name], type=f.type) for f in schema], schema=schema)


def _try_row(one: Try) -> dict[str, Any]:
    own = {"try": one.number, "propensity": one.propensity, "cell": one.cell, "success": one.success}
    return {**asdict(one.choice), **own, "steps": one.steps, "reason": one.reason}
