"""Trajloom: a handful of robot demonstrations in, thousands of verified ones out, kept as columns.

>>> import trajloom as tl
>>> tl.read("demos.hdf5").episodes().collect()  # doctest: +SKIP
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trajloom.annotation import annotate
    from trajloom.augment.datagen_info import AddDatagenInfoAugmentation
    from trajloom.augment.mimicgen import MimicGenAugmentation
    from trajloom.augmentation import Augmentation, batch_aug, global_aug, local_aug
    from trajloom.batch import Batch
    from trajloom.dataset import Dataset, merge, read
    from trajloom.formats.hdf5.plain import load_hdf5_group, read_hdf5_metadata
    from trajloom.ingest import DataIngestionInterface, create_vla_dataset_from_source
    from trajloom.load import TrajectoryDataset, TrajectoryStream
    from trajloom.mimicgen import DataGenerator
    from trajloom.pipeline import (
        Pipeline,
        Trajectory,
        hdf5_to_dataset,
        hdf5_to_rdd,
        write_trajectories_to_hdf5,
    )
    from trajloom.run import expert, generate
    from trajloom.store import compact
    from trajloom.task import DatagenInfo, Subtask, TaskSpec

__version__ = version("trajloom")

_HOMES = {
    "Dataset": "trajloom.dataset",
    "read": "trajloom.dataset",
    "merge": "trajloom.dataset",
    "annotate": "trajloom.annotation",
    "Augmentation": "trajloom.augmentation",
    "Batch": "trajloom.batch",
    "batch_aug": "trajloom.augmentation",
    "global_aug": "trajloom.augmentation",
    "local_aug": "trajloom.augmentation",
    "compact": "trajloom.store",
    "generate": "trajloom.run",
    "expert": "trajloom.run",
    "DatagenInfo": "trajloom.task",
    "Subtask": "trajloom.task",
    "TaskSpec": "trajloom.task",
    "DataGenerator": "trajloom.mimicgen",
    "TrajectoryDataset": "trajloom.load",
    "TrajectoryStream": "trajloom.load",
    "AddDatagenInfoAugmentation": "trajloom.augment.datagen_info",
    "MimicGenAugmentation": "trajloom.augment.mimicgen",
    "Pipeline": "trajloom.pipeline",
    "Trajectory": "trajloom.pipeline",
    "hdf5_to_dataset": "trajloom.pipeline",
    "hdf5_to_rdd": "trajloom.pipeline",
    "write_trajectories_to_hdf5": "trajloom.pipeline",
    "load_hdf5_group": "trajloom.formats.hdf5.plain",
    "read_hdf5_metadata": "trajloom.formats.hdf5.plain",
    "DataIngestionInterface": "trajloom.ingest",
    "create_vla_dataset_from_source": "trajloom.ingest",
}

__all__ = [
    "AddDatagenInfoAugmentation",
    "Augmentation",
    "Batch",
    "DataGenerator",
    "DataIngestionInterface",
    "DatagenInfo",
    "Dataset",
    "MimicGenAugmentation",
    "Pipeline",
    "Subtask",
    "TaskSpec",
    "Trajectory",
    "TrajectoryDataset",
    "TrajectoryStream",
    "__version__",
    "annotate",
    "batch_aug",
    "compact",
    "create_vla_dataset_from_source",
    "expert",
    "generate",
    "global_aug",
    "hdf5_to_dataset",
    "hdf5_to_rdd",
    "load_hdf5_group",
    "local_aug",
    "merge",
    "read",
    "read_hdf5_metadata",
    "write_trajectories_to_hdf5",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that `import trajloom` is quick and light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'trajloom' has no attribute {name!r}; there are: {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
