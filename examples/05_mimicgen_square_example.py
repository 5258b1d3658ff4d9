"""MimicGen as a step of a pipeline: a few demonstrations of Square in, new ones that solve it out."""

import argparse
import tempfile
from pathlib import Path

import trajloom as tl
from trajloom import AddDatagenInfoAugmentation, MimicGenAugmentation, Pipeline, hdf5_to_rdd
from trajloom.mimicgen import MG_TaskSpec, get_env_metadata_from_dataset


def square_task() -> MG_TaskSpec:
    """Grasp the nut, put it on the peg."""
    spec = MG_TaskSpec()
    spec.add_subtask(
        object_ref="square_nut",
        subtask_term_signal="grasp",
        subtask_term_offset_range=(10, 20),
        selection_strategy="nearest_neighbor_object",
        selection_strategy_kwargs={"nn_k": 3},
        action_noise=0.05,
        num_interpolation_steps=5,
    )
    spec.add_subtask(
        object_ref="square_peg",
        subtask_term_signal=None,
        selection_strategy="nearest_neighbor_object",
        selection_strategy_kwargs={"nn_k": 3},
        action_noise=0.05,
        num_interpolation_steps=5,
    )
    return spec


def expert_sources(folder: Path, episodes: int, scheduler: str | None) -> Path:
    """Demonstrations by our scripted expert, as robomimic would have recorded them."""
    tl.expert("square", folder / "expert", episodes=episodes, seed=11, scheduler=scheduler)
    tl.read(folder / "expert").drop_columns("datagen_info/*").write(folder / "square_demos.hdf5")
    return folder / "square_demos.hdf5"


def main(source: Path, output: Path, num_demos: int, scheduler: str | None) -> None:
    pipeline = Pipeline(scheduler, seed=1)
    # Poses of gripper and objects, subtask signals and targets, found on the workers from the stored states.
    pipeline.add(AddDatagenInfoAugmentation("MG_Square"))
    pipeline.add(
        MimicGenAugmentation(
            task_spec=square_task(),
            env_meta=get_env_metadata_from_dataset(source),
            env_interface_type="MG_Square",
            times=num_demos,
            keep_original=False,
        )
    )
    result = pipeline.run(hdf5_to_rdd(None, source))
    print(result.plan)
    result.write(output)
    made = tl.read(output)
    attempts = made.attempts().collect()
    print(f"{len(made)} new demonstrations from {attempts.height} attempts: {output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where files go; a temporary folder by default")
    parser.add_argument("--source", type=Path, help="demonstrations of Square; by default five by the scripted expert")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--num-demos", type=int, default=3)
    parser.add_argument("--scheduler", help="address of a Dask cluster; by default one is started on this machine")
    given = parser.parse_args()
    place = given.folder or Path(tempfile.mkdtemp())
    source = given.source or expert_sources(place, 5, given.scheduler)
    main(source, given.output or place / "generated_demos.hdf5", given.num_demos, given.scheduler)
