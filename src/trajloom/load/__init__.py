"""Training batches from any dataset: items by number or as a stream, for PyTorch or for NumPy alone."""

from trajloom.load.dataset import TrajectoryDataset
from trajloom.load.items import collate
from trajloom.load.normalizer import Normalizer
from trajloom.load.stream import StreamLoader, TrajectoryStream

__all__ = ["Normalizer", "StreamLoader", "TrajectoryDataset", "TrajectoryStream", "collate"]
