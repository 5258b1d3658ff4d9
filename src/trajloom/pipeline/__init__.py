"""Augmentations one after the other over a whole dataset, on Dask.

>>> pipeline = Pipeline(seed=7)
>>> pipeline.add(AddNoise()).add(ActionNoise(sigma=0.05))  # doctest: +SKIP
>>> result = pipeline.run("demos.hdf5")  # nothing runs yet  # doctest: +SKIP
>>> print(result.plan)  # doctest: +SKIP
>>> result.write("noisy.hdf5")  # doctest: +SKIP

Local and batch steps that follow each other are one task a part: read, change, write. What comes out depends on the
data, the augmentations and the seed alone: not on the workers, their order, or whether there is a cluster.

Episodes keep their numbers and names. Where a local augmentation makes several out of one, all are numbered anew, 0,
1, ..., in the order of what they were made from, and named "demo_<number>". A batch augmentation numbers and names its
own, and what a global one makes is numbered and named on from what it was given.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trajloom.pipeline.hdf5 import hdf5_to_dataset, hdf5_to_rdd, write_trajectories_to_hdf5
    from trajloom.pipeline.pipeline import Pipeline
    from trajloom.pipeline.plan import Plan
    from trajloom.pipeline.result import Result
    from trajloom.pipeline.trajectory import Trajectory

_HOMES = {
    "Pipeline": "pipeline",
    "Plan": "plan",
    "Result": "result",
    "Trajectory": "trajectory",
    "hdf5_to_dataset": "hdf5",
    "hdf5_to_rdd": "hdf5",
    "write_trajectories_to_hdf5": "hdf5",
}

__all__ = [
    "Pipeline",
    "Plan",
    "Result",
    "Trajectory",
    "hdf5_to_dataset",
    "hdf5_to_rdd",
    "write_trajectories_to_hdf5",
]


def __getattr__(name: str) -> Any:
    """Names are imported when they are first used: a worker, which uses none of them, starts the sooner."""
    if name not in _HOMES:
        raise AttributeError(f"module 'trajloom.pipeline' has no attribute {name!r}; there are: {', '.join(__all__)}")
    return getattr(import_module(f"trajloom.pipeline.{_HOMES[name]}"), name)
