"""One attempt at a new episode: choose source segments, carry them to where the objects are, follow them."""

from collections.abc import Callable
from functools import partial

import numpy as np

from trajloom.engine.attempt import Attempt
from trajloom.engine.experience import Experience
from trajloom.engine.search import Search
from trajloom.engine.segments import Sources
from trajloom.engine.settings import Settings
from trajloom.errors import SettingsError
from trajloom.rollout import Rollout
from trajloom.seeding import rng_for
from trajloom.task import Scene, TaskSpec

__all__ = ["Settings", "attempt"]


def attempt(
    scene: Scene,
    sources: Sources,
    spec: TaskSpec,
    settings: Settings,
    rng: np.random.Generator,
    on_step: Callable[[], None] | None = None,
    on_subtask: Callable[[str, int], None] | None = None,
    experience: Experience | None = None,
    keep_branches: bool = False,
) -> Rollout:
    """Make one attempt at an episode, from the scene's reset to its last step.

    Every arm goes through its own subtasks: when one ends, the arm's next begins, wherever the other arms are. A new
    subtask sees the scene as it is then. An arm that has no more keeps its last target and gripper action.

    One number is drawn from `rng`; the reset, the offsets, every choice and every arm's noise have streams of their own
    derived from it, so that drawing more from one changes none of the others.

    Args:
        scene: Is reset first.
        sources: Cut for the same subtasks.
        spec: The task.
        settings: How.
        rng: This attempt's chance.
        on_step: Called after every step, such as to film.
        on_subtask: Called with end effector and number when a subtask has ended.
        experience: What earlier rounds of attempts learned of the sources, for settings that `adapt`.
        keep_branches: Keep what an attempt that goes back discards, in `Rollout.branches`.

    Returns:
        What happened, successful or not, with a Choice for every subtask and the columns `subtask/<eef>`,
        `source_episode/<eef>`, `source_frame/<eef>` (-1 where the step comes from no source frame).

    Raises:
        SettingsError: Scene, sources and task do not belong together, or a strategy refuses.

    Source:
        Mandlekar et al., MimicGen, CoRL 2023 (arXiv:2310.17596), section 4 and appendix N.
    """
    _check_together(scene, sources, spec)
    root = int(rng.integers(2**63))
    scene.reset(rng_for(root, "reset"))
    kind = Attempt if settings.tries == 1 else partial(Search, experience=experience, keep_branches=keep_branches)
    run = kind(scene, sources, spec, settings, root)
    initial_state, model_xml = scene.state(), scene.model_xml()
    run.play(on_step or (lambda: None), on_subtask or (lambda eef, number: None))
    rollout = run.rollout()
    rollout.initial_state, rollout.model_xml = initial_state, model_xml
    return rollout


def _check_together(scene: Scene, sources: Sources, spec: TaskSpec) -> None:
    if set(spec.eefs) != set(scene.eefs):
        raise SettingsError(f"the task is for {', '.join(spec.eefs)}; the scene has {', '.join(scene.eefs)}")
    if spec != sources.spec and _cuts(spec) != _cuts(sources.spec):
        raise SettingsError("the sources were cut for another task: objects, signals or offset ranges differ")


def _cuts(spec: TaskSpec) -> list[tuple]:
    return [(e, i, s.object_ref, s.subtask_term_signal, s.subtask_term_offset_range) for e, i, s in spec]
