"""Plan one subtask: choose its source segment, carry it to where the object is, and bridge the way to it."""

import numpy as np
from numpy.typing import NDArray

from trajloom.engine.segments import Segment, Sources
from trajloom.engine.select import StackedStrategy, choose_by_infos, make_selection_strategy
from trajloom.engine.settings import Compat
from trajloom.engine.waypoints import NO_FRAME, Waypoint, WaypointSequence, WaypointTrajectory
from trajloom.poses import Poses, carry
from trajloom.task import Array, Subtask


def select(
    sources: Sources,
    inds: NDArray[np.int64],
    eef: str,
    subtask: Subtask,
    eef_pose: Poses,
    object_pose: Poses | None,
    rng: np.random.Generator,
    among: NDArray[np.int64] | None = None,
) -> int:
    """The source that a subtask's strategy chooses.

    Args:
        sources: The sources.
        inds: (N, 2). First frame and one past the last frame of this subtask in every source.
        eef: The end effector that the subtask is of.
        subtask: Its object, its strategy and the strategy's settings.
        eef_pose: (4, 4). The end effector now.
        object_pose: (4, 4). The subtask's object now; None where it has none.
        rng: Chance of this choice alone.
        among: (M,). The only sources that it may choose; None is all.
    """
    strategy, kwargs = make_selection_strategy(subtask.selection_strategy), subtask.selection_strategy_kwargs
    if isinstance(strategy, StackedStrategy) and strategy.looks_at_stacks:
        stacked = sources.candidates(eef, subtask.object_ref, inds)
        stacked = stacked if among is None else stacked.some(among)
        chosen = strategy.choose(eef_pose, object_pose, stacked, rng=rng, **kwargs)
    else:
        infos = sources.infos(eef, subtask.object_ref, inds)
        infos = infos if among is None else [infos[i] for i in among]
        chosen = choose_by_infos(strategy, eef_pose, object_pose, infos, kwargs, rng)
    return chosen if among is None else int(among[chosen])


def chances(
    sources: Sources,
    inds: NDArray[np.int64],
    eef: str,
    subtask: Subtask,
    eef_pose: Poses,
    object_pose: Poses | None,
    among: NDArray[np.int64],
) -> NDArray[np.float64] | None:
    """(M,). The chance that `select` chooses each of `among`; None where the strategy does not say."""
    strategy, kwargs = make_selection_strategy(subtask.selection_strategy), subtask.selection_strategy_kwargs
    if not (isinstance(strategy, StackedStrategy) and strategy.looks_at_stacks):
        return None
    stacked = sources.candidates(eef, subtask.object_ref, inds).some(among)
    return strategy.chances(eef_pose, object_pose, stacked, **kwargs)


def trajectory(
    sources: Sources,
    segment: Segment,
    subtask: Subtask,
    object_pose: Poses | None,
    start: Waypoint | Poses,
    *,
    with_first_pose: bool,
    compat: Compat = None,
) -> WaypointTrajectory:
    """The waypoints of one subtask: a bridge to the carried segment, and the segment.

    With N interpolated and F fixed steps and a segment of L frames there are N + F + 1 + L waypoints with the first
    pose, N + F + L without.

    Args:
        sources: Where the segment is from.
        segment: Which frames.
        subtask: Its object, noise, N and F.
        object_pose: (4, 4). The object's pose now; None carries nothing.
        start: The waypoint, or the pose (4, 4), that the bridge starts at; it is not among the waypoints.
        with_first_pose: Begin with the pose that the source's end effector had reached, before the first target.
        compat: "mimicgen" pairs each target with the gripper action of the frame before, as the original does in
            segments without the first pose, and so never gives the last one.
    """
    poses, gripper, frames = _carried(sources, segment, subtask, object_pose, with_first_pose)
    if compat == "mimicgen" and not with_first_pose:
        gripper = np.concatenate([gripper[:1], gripper[:-1]])
    if not isinstance(start, Waypoint):
        start = Waypoint(start, gripper[0])
    new, followed = WaypointTrajectory(compat), WaypointTrajectory(compat)
    new.add_waypoint_sequence(WaypointSequence([start]))
    followed.add_waypoint_sequence(WaypointSequence.from_poses(poses, gripper, subtask.action_noise, frames))
    new.merge(
        followed,
        num_steps_interp=subtask.num_interpolation_steps,
        num_steps_fixed=subtask.num_fixed_steps,
        action_noise=float(subtask.apply_noise_during_interpolation) * subtask.action_noise,
    )
    new.pop_first()
    return new


def _carried(
    sources: Sources, segment: Segment, subtask: Subtask, object_pose: Poses | None, with_first_pose: bool
) -> tuple[Poses, Array, NDArray[np.int64]]:
    """Targets, gripper actions and source frames of a segment, carried to where its object is now."""
    rows = sources.rows(segment)
    poses, gripper = sources.target_pose[segment.eef][rows], sources.gripper_action[segment.eef][rows]
    frames = np.arange(segment.start, segment.end)
    if with_first_pose:
        poses = np.concatenate([sources.eef_pose[segment.eef][rows.start][None], poses])
        gripper = np.concatenate([gripper[:1], gripper])
        frames = np.concatenate([[NO_FRAME], frames])
    old = sources.object_at_start(segment, subtask.object_ref)
    if old is not None and object_pose is not None:
        poses = carry(poses, old, object_pose)
    return poses, gripper, frames
