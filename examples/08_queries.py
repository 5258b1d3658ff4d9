"""Ask a dataset questions of your own: in Polars, in SQL, or with what Trajloom knows already."""

import sys
import tempfile
from pathlib import Path

import polars as pl

import trajloom as tl
from trajloom import query

HUMAN = Path(__file__).parent / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def main(folder: Path) -> None:
    demos = tl.read(HUMAN)
    steps, episodes = demos.steps(), demos.episodes()

    # When does the gripper begin to close, and how high is the hand then? Polars, lazily, on any format.
    grip, height = query.component("actions", 6), query.component("obs/robot0_eef_pos", 2)
    closing = steps.filter(grip > 0).group_by("episode_index").agg(
        pl.col("timestamp").first().alias("closes_s"), height.first().alias("height_m")
    )  # fmt: skip
    print(
        closing.join(episodes.select("episode_index", "name", "length"), on="episode_index").sort("closes_s").collect()
    )

    # The same kind of question in SQL; components of tensors count from 0, as in NumPy.
    print(query.sql(demos, 'SELECT episode_index, max("obs/robot0_eef_pos"[2]) AS top FROM steps GROUP BY 1').collect())

    # An expression of yours for each episode, some whole episodes in memory at a time, however many there are.
    ways = query.per_episode(demos, ["rewards"], first_reward=(pl.col("rewards") > 0).arg_max())
    print(ways.describe())

    # What Trajloom answers itself. Lazy frames again, so the answers can be asked on.
    smooth = query.eef_motion(demos).sort("smoothness", descending=True).head(3)
    print(smooth.collect())
    print(query.coverage(demos, cell_m=0.02).filter(pl.col("episodes") > 1).collect())
    print(query.statistics(demos, ["actions"], quantiles=(0.05, 0.95)).select("index", "mean", "q5", "q95"))
    print(query.near_duplicates(demos, tolerance=0.5).collect())

    # The answer as a file, for other tools.
    query.save(demos, query.initial_poses(demos), str(folder / "cubes.csv"), "csv", overwrite=True)
    print(folder / "cubes.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
