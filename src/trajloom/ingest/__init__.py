"""Your own objects as a dataset: PyTorch datasets, iterators, files, functions, or a class of your own.

>>> from trajloom.ingest import create_vla_dataset_from_source
>>> dataset = create_vla_dataset_from_source(my_data, "out", transform_fn=to_dict, group_size=100)  # doctest: +SKIP
>>> for batch in dataset.iter_batches(batch_size=32):  # doctest: +SKIP
...     train(batch)
"""

from trajloom.ingest.adapters import CallableAdapter, FileListAdapter, IteratorAdapter, PyTorchDatasetAdapter
from trajloom.ingest.config import IngestionConfig
from trajloom.ingest.factory import (
    create_vla_dataset_from_callable,
    create_vla_dataset_from_file_list,
    create_vla_dataset_from_iterator,
    create_vla_dataset_from_pytorch_dataset,
    create_vla_dataset_from_source,
)
from trajloom.ingest.ingested import IngestedDataset
from trajloom.ingest.interface import DataIngestionInterface
from trajloom.ingest.trajectories import TrajectoryReference

__all__ = [
    "CallableAdapter",
    "DataIngestionInterface",
    "FileListAdapter",
    "IngestedDataset",
    "IngestionConfig",
    "IteratorAdapter",
    "PyTorchDatasetAdapter",
    "TrajectoryReference",
    "create_vla_dataset_from_callable",
    "create_vla_dataset_from_file_list",
    "create_vla_dataset_from_iterator",
    "create_vla_dataset_from_pytorch_dataset",
    "create_vla_dataset_from_source",
]
