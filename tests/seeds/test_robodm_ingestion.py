"""The code blocks of RoboDM's ingestion document, as they stand there but for the import; placeholders are supplied.

Each test runs one block in a namespace of what the document leaves open (`MyExistingDataset`, `my_data_list`, ...) and
says what came of it.
"""

import dataclasses
import glob
import json
import logging
import os
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import numpy as np
import pytest

from conftest import SHARED_DATA
from trajloom import ingest
from trajloom.errors import TrajloomWarning
from trajloom.ingest import DataIngestionInterface, IngestedDataset, IngestionConfig

DOCUMENT = SHARED_DATA.parent / "seeds" / "003_29474c0786f7e837.txt"
PUBLIC = {name: getattr(ingest, name) for name in ingest.__all__}


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Relative paths and temporary folders lie in a folder of the test's own; a busy machine starts no cluster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trajloom.ingest.conduct.PATIENCE", float("inf"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def run(block: str, **placeholders: Any) -> SimpleNamespace:
    """Run a block; the names that it leaves behind."""
    names = {**PUBLIC, **placeholders}
    exec(compile(block, "the document", "exec"), names)  # the blocks of this file
    return SimpleNamespace(**names)


class Numbers:
    """A map-style dataset, by its methods alone: a vector and its number, 40 times."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return {"x": np.full(3, index, np.float32), "number": index}


def numbers(dataset: IngestedDataset) -> list[int]:
    return [int(item["number"]) for item in dataset.iter_rows()]


BLOCK_0 = """
from trajloom.ingest import create_vla_dataset_from_source

# Your existing PyTorch dataset
pytorch_dataset = MyExistingDataset()

# Convert to VLA dataset with one line!
vla_dataset = create_vla_dataset_from_source(
    data_source=pytorch_dataset,
    output_directory="./my_trajectories",
    num_workers=4
)

# Use immediately with existing VLA API
for batch in vla_dataset.iter_batches(batch_size=32):
    # Your training loop here
    pass
"""


def test_a_pytorch_dataset_becomes_a_dataset_with_one_line():
    found = run(BLOCK_0, MyExistingDataset=Numbers)
    assert numbers(found.vla_dataset) == list(range(40))
    assert found.batch["x"].shape == (8, 3)
    assert found.vla_dataset.path == os.path.abspath("my_trajectories")


BLOCK_1 = '''
def transform_my_data(item):
    """Transform your data format to robodm format."""
    return {
        "sensor_data": item.sensor_readings,
        "image": item.camera_frame,
        "metadata": {"timestamp": item.timestamp}
    }

# Any data source + transform function
vla_dataset = create_vla_dataset_from_source(
    data_source=my_data_list,  # List, iterator, etc.
    transform_fn=transform_my_data,
    output_directory="./my_trajectories",
    num_workers=8
)
'''


def test_a_list_of_objects_is_transformed_by_a_function():
    reading = SimpleNamespace(sensor_readings=[1.0, 2.0], camera_frame=np.zeros((4, 4, 3), np.uint8), timestamp=7)
    found = run(BLOCK_1, my_data_list=[reading, reading])
    item = found.vla_dataset.peek()
    assert item["sensor_data"].tolist() == [1.0, 2.0]
    assert item["image"].shape == (4, 4, 3)
    assert item["metadata"]["timestamp"] == 7


BLOCK_2 = """
from trajloom.ingest import DataIngestionInterface

class MyCustomIngester(DataIngestionInterface):
    def get_data_items(self):
        # Return list of items to process
        return [...]
    
    def transform_item(self, item):
        # Transform item to robodm format
        return {"feature1": ..., "feature2": ...}

# Use your custom ingester
ingester = MyCustomIngester()
vla_dataset = create_vla_dataset_from_source(ingester)
"""


def test_an_ingester_of_ones_own_has_full_control():
    given = BLOCK_2.replace("[...]", "[1, 2]").replace('"feature1": ...', '"feature1": item')
    found = run(given.replace("...", "item * 2.5"))
    assert found.vla_dataset.take(2) == [{"feature1": 1, "feature2": 2.5}, {"feature1": 2, "feature2": 5.0}]


BLOCK_3 = '''
from abc import ABC, abstractmethod

class DataIngestionInterface(ABC):
    @abstractmethod
    def get_data_items(self) -> List[Any]:
        """Return list of data items to process."""
        pass
    
    @abstractmethod
    def transform_item(self, item: Any) -> Dict[str, Any]:
        """Transform item into robodm trajectory format."""
        pass
    
    # Optional methods for customization
    def group_items_into_trajectories(self, items):
        """Group items into trajectory files."""
        return [[item] for item in items]  # Default: one item per trajectory
    
    def get_trajectory_filename(self, trajectory_group, index):
        """Generate trajectory filename."""
        return f"trajectory_{index:06d}"
    
    def validate_transformed_data(self, data):
        """Validate transformed data before adding to trajectory."""
        return True
'''


def test_the_interface_has_the_methods_and_defaults_of_the_document():
    theirs = run(BLOCK_3, List=list, Any=Any, Dict=dict).DataIngestionInterface
    assert theirs.__abstractmethods__ == DataIngestionInterface.__abstractmethods__
    methods = [name for name in vars(theirs) if not name.startswith("_")]
    assert all(hasattr(DataIngestionInterface, name) for name in methods)

    class Ours(DataIngestionInterface):
        get_data_items = transform_item = lambda self: None  # pyright: ignore

    class Theirs(theirs):
        get_data_items = transform_item = lambda self: None

    for made in (Ours(), Theirs()):
        assert made.group_items_into_trajectories([1, 2]) == [[1], [2]]
        assert made.get_trajectory_filename([1], 7) == "trajectory_000007"
        assert made.validate_transformed_data({}) is True


BLOCK_4 = """
@dataclass
class IngestionConfig:
    # Output configuration
    output_directory: str
    trajectory_prefix: str = "trajectory"
    
    # Parallel processing
    num_workers: int = 4
    batch_size: int = 1
    
    # Trajectory configuration
    time_unit: str = "ms"
    video_codec: str = "auto"
    raw_codec: Optional[str] = None
    
    # Data processing
    shuffle_items: bool = False
    max_items_per_trajectory: Optional[int] = None
"""


def test_the_settings_have_the_fields_and_defaults_of_the_document():
    theirs = run(BLOCK_4, dataclass=dataclasses.dataclass, Optional=Optional).IngestionConfig
    ours = IngestionConfig(output_directory="out")
    assert {f.name: getattr(ours, f.name) for f in dataclasses.fields(theirs)} == dataclasses.asdict(theirs("out"))


BLOCK_5 = """
from trajloom.ingest import PyTorchDatasetAdapter

adapter = PyTorchDatasetAdapter(
    dataset=pytorch_dataset,
    transform_fn=my_transform_function,  # Optional
    group_size=100,  # Items per trajectory
)
"""


def test_a_pytorch_adapter_groups_items():
    double = lambda item: {"y": item["x"] * 2}  # noqa: E731
    found = run(BLOCK_5, pytorch_dataset=Numbers(), my_transform_function=double)
    dataset = ingest.create_vla_dataset_from_source(found.adapter)
    assert len(dataset.dataset) == 1
    assert dataset.take(3)[2]["y"].tolist() == [4.0, 4.0, 4.0]


BLOCK_6 = """
from trajloom.ingest import IteratorAdapter

def my_data_generator():
    for i in range(10000):
        yield generate_data_item(i)

adapter = IteratorAdapter(
    iterator_factory=my_data_generator,
    transform_fn=transform_function,
    max_items=1000,  # Optional limit
)
"""


def test_an_iterator_adapter_stops_at_its_limit():
    found = run(BLOCK_6, generate_data_item=lambda i: i, transform_function=lambda i: {"number": i})
    dataset = ingest.create_vla_dataset_from_source(found.adapter)
    assert numbers(dataset) == list(range(1000))


BLOCK_7 = """
from trajloom.ingest import FileListAdapter

file_paths = ["data1.json", "data2.json", ...]

adapter = FileListAdapter(
    file_paths=file_paths,
    transform_fn=load_and_transform_file,
    group_size=50,  # Files per trajectory
)
"""


def test_files_are_loaded_by_a_function():
    for number in (1, 2):
        Path(f"data{number}.json").write_text(json.dumps({"number": number}))
    found = run(BLOCK_7, load_and_transform_file=lambda path: json.loads(Path(path).read_text()))
    with pytest.warns(TrajloomWarning, match="1 of 3 items were left out"):  # the document's third path is `...`
        dataset = ingest.create_vla_dataset_from_source(found.adapter)
    assert numbers(dataset) == [1, 2]
    assert dataset.left_out()["item"].to_list() == [2]


BLOCK_8 = """
from trajloom.ingest import CallableAdapter

def generate_data():
    return [create_item(i) for i in range(1000)]

adapter = CallableAdapter(
    data_generator=generate_data,
    transform_fn=process_item,
)
"""


def test_a_function_that_returns_a_list_is_a_source():
    found = run(BLOCK_8, create_item=lambda i: i, process_item=lambda i: {"number": i})
    assert numbers(ingest.create_vla_dataset_from_source(found.adapter)) == list(range(1000))


BLOCK_9 = """
create_vla_dataset_from_source(
    data_source,              # Any supported data source
    output_directory=None,    # Where to save trajectories
    transform_fn=None,        # Optional transformation
    group_size=1,            # Items per trajectory
    num_workers=4,           # Parallel workers
    return_vla_dataset=True, # Return VLADataset vs file paths
    **kwargs                 # Additional config
)
"""


def test_the_main_function_has_the_parameters_and_defaults_of_the_document():
    dataset = eval(BLOCK_9.strip(), {**PUBLIC, "data_source": Numbers(), "kwargs": {"fps": 5.0}})  # the block above
    assert numbers(dataset) == list(range(40))
    assert dataset.header.control_hz == 5.0


BLOCK_10 = """
# PyTorch datasets
create_vla_dataset_from_pytorch_dataset(
    dataset, trajectories_per_dataset=1, **kwargs
)

# File lists
create_vla_dataset_from_file_list(
    file_paths, transform_fn, files_per_trajectory=100, **kwargs
)

# Iterators
create_vla_dataset_from_iterator(
    iterator_factory, max_items=None, items_per_trajectory=100, **kwargs
)

# Callables
create_vla_dataset_from_callable(
    data_generator, items_per_trajectory=100, **kwargs
)
"""


def test_there_is_a_function_for_each_kind_of_source():
    Path("a.json").write_text("{}")
    made = []
    kinds = ("pytorch_dataset", "file_list", "iterator", "callable")
    names = {f"create_vla_dataset_from_{kind}": getattr(ingest, f"create_vla_dataset_from_{kind}") for kind in kinds}
    noted = {name: lambda *a, make=make, **k: made.append(make(*a, **k)) for name, make in names.items()}
    items = [{"number": n} for n in range(250)]
    run(
        BLOCK_10, **noted, dataset=Numbers(), file_paths=["a.json"], transform_fn=lambda path: {"number": 0},
        iterator_factory=lambda: iter(items), data_generator=lambda: items, kwargs={},
    )  # fmt: skip
    assert [len(dataset.dataset) for dataset in made] == [1, 1, 3, 3]


BLOCK_11 = """
# Custom Ray initialization
ray_config = {
    "num_cpus": 16,
    "object_store_memory": 4_000_000_000,  # 4GB
}

vla_dataset = create_vla_dataset_from_source(
    data_source=my_dataset,
    ray_init_kwargs=ray_config,
    num_workers=8,
)
"""


def test_rays_settings_are_those_of_dask():
    assert numbers(run(BLOCK_11, my_dataset=Numbers()).vla_dataset) == list(range(40))


BLOCK_12 = """
class PhilipsIngester(DataIngestionInterface):
    def __init__(self, data_directory, sensor_filter):
        self.data_directory = data_directory
        self.sensor_filter = sensor_filter
    
    def get_data_items(self):
        # Discover all data files/segments
        return self._scan_philips_data()
    
    def transform_item(self, segment_info):
        # Load and transform physiological signals
        return {
            "ecg_lead_ii": self._load_signal(segment_info, "II"),
            "ecg_lead_avl": self._load_signal(segment_info, "aVL"),
            "visualization": self._create_plot(segment_info),
        }

ingester = PhilipsIngester("/data/philips", ["II", "aVL", "V"])
vla_dataset = create_vla_dataset_from_source(ingester)
"""


def test_physiological_signals_have_an_ingester_with_arguments():
    class Philips(DataIngestionInterface):
        def _scan_philips_data(self):
            return [(self.data_directory, n) for n in range(3)]

        def _load_signal(self, segment, lead):
            return np.full(500, segment[1] + len(lead), np.float32)

        def _create_plot(self, segment):
            return np.full((8, 9, 3), segment[1], np.uint8)

    dataset = run(BLOCK_12, DataIngestionInterface=Philips).vla_dataset
    assert [item["ecg_lead_avl"][0] for item in dataset.iter_rows()] == [3.0, 4.0, 5.0]
    assert dataset.schema()["visualization"] == "uint8 (8, 9, 3)"


BLOCK_13 = """
# Existing PyTorch vision dataset
vision_dataset = torchvision.datasets.CIFAR10(...)

def vision_transform(data_tuple):
    image, label = data_tuple
    return {
        "image": image.numpy().transpose(1, 2, 0),  # CHW -> HWC
        "label": label,
        "augmented_image": apply_augmentation(image),
    }

vla_dataset = create_vla_dataset_from_source(
    vision_dataset,
    transform_fn=vision_transform,
    group_size=1000,  # 1000 images per trajectory
)
"""


def test_pictures_and_labels_of_torchvision():
    torch = pytest.importorskip("torch")
    pictures = [(torch.full((3, 8, 8), n / 10), n) for n in range(10)]
    torchvision = SimpleNamespace(datasets=SimpleNamespace(CIFAR10=lambda *_: pictures))
    dataset = run(BLOCK_13, torchvision=torchvision, apply_augmentation=lambda image: image.flip(2)).vla_dataset
    item = dataset.peek()
    assert (item["image"].shape, item["label"], item["augmented_image"].shape) == ((8, 8, 3), 0, (3, 8, 8))
    assert dataset.get_stats()["columns"]["label"]["mean"] == 4.5


class Rows:
    def __init__(self, values):
        self.values = values

    def __getitem__(self, rows):
        return Frame(self.values[rows])


class Frame:
    """As much of a pandas DataFrame as the document uses."""

    def __init__(self, path):
        self.values = np.loadtxt(path, delimiter=",") if isinstance(path, str) else path

    @property
    def iloc(self):
        return Rows(self.values)

    def __len__(self):
        return len(self.values)


BLOCK_14 = '''
def load_timeseries_files():
    """Load time series data from files."""
    for filepath in glob.glob("timeseries/*.csv"):
        df = pd.read_csv(filepath)
        for i in range(0, len(df), 100):  # 100-sample windows
            yield {
                "sequence": df.iloc[i:i+100].values,
                "metadata": {"file": filepath, "window": i//100}
            }

vla_dataset = create_vla_dataset_from_source(
    load_timeseries_files,
    group_size=50,  # 50 windows per trajectory
)
'''


def test_windows_of_time_series_files():
    Path("timeseries").mkdir()
    for name in ("a", "b"):
        np.savetxt(f"timeseries/{name}.csv", np.arange(600.0).reshape(300, 2), delimiter=",")
    found = run(BLOCK_14, glob=glob, pd=SimpleNamespace(read_csv=Frame))
    assert [item["metadata"]["window"] for item in found.vla_dataset.iter_rows()] == [0, 1, 2, 0, 1, 2]
    assert found.vla_dataset.peek()["sequence"].shape == (100, 2)
    files = {item["metadata"]["file"] for item in found.vla_dataset.iter_rows()}
    assert files == {"timeseries/a.csv", "timeseries/b.csv"}


BLOCK_15 = """
class RobotDataIngester(DataIngestionInterface):
    def transform_item(self, episode_path):
        episode_data = load_episode(episode_path)
        return {
            "observation": episode_data.observations,
            "action": episode_data.actions,
            "reward": episode_data.rewards,
            "camera_rgb": episode_data.camera_frames,
            "gripper_pos": episode_data.gripper_positions,
        }

robot_ingester = RobotDataIngester()
vla_dataset = create_vla_dataset_from_source(robot_ingester)
"""


def test_whole_robot_episodes_are_trajectories():
    def load_episode(path):
        steps = int(path.removeprefix("episode_"))
        return SimpleNamespace(
            observations=np.zeros((steps, 10)), actions=np.ones((steps, 7)), rewards=np.arange(float(steps)),
            camera_frames=np.zeros((steps, 8, 8, 3), np.uint8), gripper_positions=np.zeros((steps, 1)),
        )  # fmt: skip

    class Episodes(DataIngestionInterface):
        def get_data_items(self):
            return ["episode_20", "episode_30"]

    dataset = run(BLOCK_15, DataIngestionInterface=Episodes, load_episode=load_episode).vla_dataset
    assert dataset.item == "trajectory"
    assert dataset.dataset.episodes().collect()["length"].to_list() == [20, 30]
    assert dataset.peek()["camera_rgb"].shape == (20, 8, 8, 3)


BLOCK_16 = """
# For large datasets
config = IngestionConfig(
    output_directory="./large_dataset",
    num_workers=16,
    raw_codec="rawvideo_pyarrow",  # Efficient compression
    max_items_per_trajectory=10000,  # Larger trajectories
)
"""


def test_settings_for_large_datasets_are_accepted():
    config = run(BLOCK_16).config
    assert (config.num_workers, config.raw_codec, config.max_items_per_trajectory) == (16, "rawvideo_pyarrow", 10000)


BLOCK_17 = """
# Optimize for your hardware
optimal_workers = min(os.cpu_count(), 16)  # Don't exceed CPU count

vla_dataset = create_vla_dataset_from_source(
    data_source=large_dataset,
    num_workers=optimal_workers,
    group_size=1000,  # Balance between memory and I/O
)
"""


def test_as_many_workers_as_cores_may_be_asked_for():
    assert numbers(run(BLOCK_17, os=os, large_dataset=Numbers()).vla_dataset) == list(range(40))


BLOCK_18 = '''
def streaming_data_generator():
    """Generator for datasets too large for memory."""
    for chunk in load_data_in_chunks():
        for item in chunk:
            yield item

vla_dataset = create_vla_dataset_from_source(
    streaming_data_generator,
    max_items=1_000_000,  # Process subset
    num_workers=8,
)
'''


def test_a_generator_is_streamed():
    chunks = [[{"number": 10 * chunk + n} for n in range(10)] for chunk in range(5)]
    assert numbers(run(BLOCK_18, load_data_in_chunks=lambda: iter(chunks)).vla_dataset) == list(range(50))


BLOCK_19 = """
# Create VLA dataset with ingestion API
vla_dataset = create_vla_dataset_from_source(my_data_source)

# Use with existing VLA functionality
train_dataset, val_dataset = vla_dataset.split(0.8, 0.2)

# Iterate normally
for batch in train_dataset.iter_batches(batch_size=32):
    # Training loop
    pass

# Load data
data = val_dataset.load(desired_frequency=10.0)

# Get statistics
stats = vla_dataset.get_stats()
"""


def test_the_result_is_split_iterated_loaded_and_described():
    items = [{"number": n, "action": np.full(2, n)} for n in range(100)]
    found = run(BLOCK_19, my_data_source=items)
    assert (len(found.train_dataset), len(found.val_dataset)) == (80, 20)
    assert found.batch["action"].shape == (16, 2)
    assert len(found.data) == 20
    assert found.stats["total_items"] == 100


BLOCK_20 = """
# Before (PyTorch)
dataset = MyDataset()
dataloader = DataLoader(dataset, batch_size=32, shuffle=True)

for batch in dataloader:
    # Training loop
    pass

# After (RoboDM with minimal changes)
dataset = MyDataset()
vla_dataset = create_vla_dataset_from_source(dataset)

for batch in vla_dataset.iter_batches(batch_size=32):
    # Same training loop!
    pass
"""


def test_a_training_loop_over_a_pytorch_dataset_stays_as_it_is():
    data = pytest.importorskip("torch.utils.data")

    class MyDataset(Numbers, data.Dataset):
        pass

    found = run(BLOCK_20, MyDataset=MyDataset, DataLoader=data.DataLoader)
    assert numbers(found.vla_dataset) == list(range(40))
    assert found.batch["x"].shape == (8, 3)


BLOCK_21 = """
# Before (Custom loader)
class MyDataLoader:
    def __iter__(self):
        for item in self.load_data():
            yield self.process_item(item)

# After (RoboDM ingestion)
def my_data_generator():
    loader = MyDataLoader()
    return list(loader)

vla_dataset = create_vla_dataset_from_source(
    my_data_generator,
    transform_fn=lambda item: {"data": item}
)
"""


def test_a_loader_of_ones_own_is_a_source():
    before, after = BLOCK_21.split("# After (RoboDM ingestion)")
    loader = run(before).MyDataLoader
    loader.load_data, loader.process_item = lambda self: range(5), lambda self, item: item * 1.5
    dataset = run(after, MyDataLoader=loader).vla_dataset
    assert [item["data"] for item in dataset.iter_rows()] == [0.0, 1.5, 3.0, 4.5, 6.0]


BLOCK_22 = '''
class MyIngester(DataIngestionInterface):
    def validate_transformed_data(self, data):
        """Custom validation logic."""
        required_keys = ["sensor1", "sensor2"]
        if not all(key in data for key in required_keys):
            return False
        return True
    
    def transform_item(self, item):
        try:
            return self._transform_logic(item)
        except Exception as e:
            logger.warning(f"Failed to transform {item}: {e}")
            return {}  # Return empty dict to skip
'''


def test_items_that_fail_or_are_invalid_are_skipped_and_listed():
    ingester = run(BLOCK_22, logger=logging.getLogger("test")).MyIngester

    class Mine(ingester):
        def get_data_items(self):
            return [0.0, 1.0, -1.0, 2.0, 3.0]

        def _transform_logic(self, item):
            return {"sensor1": 6 / item, "sensor2": item} if item > 0 else {"sensor1": 1 / item}

    with pytest.warns(TrajloomWarning, match=r"2 of 5 items were left out \(1 empty, 1 invalid\)"):
        dataset = ingest.create_vla_dataset_from_source(Mine())
    assert [item["sensor1"] for item in dataset.iter_rows()] == [6.0, 3.0, 2.0]
    assert dataset.left_out().select("item", "problem").rows() == [(0, "empty"), (2, "invalid")]


BLOCK_23 = """
# Profile your transformation function
import time

def timed_transform(item):
    start = time.time()
    result = my_transform(item)
    print(f"Transform took {time.time() - start:.3f}s")
    return result

vla_dataset = create_vla_dataset_from_source(
    data_source=my_data,
    transform_fn=timed_transform,
)
"""


def test_a_transformation_can_be_timed(capsys: pytest.CaptureFixture[str]):
    dataset = run(BLOCK_23, my_transform=lambda item: {"number": item}, my_data=[1, 2]).vla_dataset
    assert numbers(dataset) == [1, 2]
    assert capsys.readouterr().out.count("Transform took") == 2


@pytest.mark.shared_data
def test_every_block_of_the_document_is_here():
    if not DOCUMENT.exists():
        pytest.skip("the document is not here")
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    ours = {value.strip() for name, value in globals().items() if name.startswith("BLOCK_")}
    assert {b.strip().replace("from robodm.ingestion", "from trajloom.ingest") for b in blocks} == ours
