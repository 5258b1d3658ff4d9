"""Every code block of DataAug Platform's document, with only its imports and its session changed.

`SparkSession...` is a Dask client and `spark.sparkContext` that client. Placeholders (the names of task, objects and
files, what stands for "your logic here") are supplied by the tests.
"""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import trajloom as tl

HUMAN = Path(__file__).parents[2] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"

BASIC = '''
from trajloom import Augmentation, local_aug, Pipeline, hdf5_to_rdd
from distributed import Client
import numpy as np

# Define a custom augmentation
class AddNoiseAugmentation(Augmentation):
    def __init__(self, noise_scale=0.01):
        self.noise_scale = noise_scale

    @local_aug
    def apply(self, traj):
        """Add noise to trajectory states."""
        traj_copy = traj.copy()
        noise = np.random.normal(0, self.noise_scale, traj_copy["states"].shape)
        traj_copy["states"] = traj_copy["states"] + noise
        return traj_copy

# Initialize Dask
client = Client(cluster)

# Load data
trajectories = hdf5_to_rdd(client, "data.hdf5")

# Build and run pipeline
pipeline = Pipeline(client)
pipeline.add(AddNoiseAugmentation(noise_scale=0.01))
results = pipeline.run(trajectories).collect()
'''

LOADING_AND_SAVING = """
from trajloom import hdf5_to_rdd, write_trajectories_to_hdf5

# Load HDF5 data
trajectories_rdd = hdf5_to_rdd(client, "input.hdf5")

# Process with pipeline
results = pipeline.run(trajectories_rdd).collect()

# Save results
write_trajectories_to_hdf5(results, "output.hdf5")
"""

LOCAL = """
class MyLocalAug(Augmentation):
    @local_aug
    def apply(self, traj):
        # Process single trajectory
        return modified_traj
"""

GLOBAL = """
class MyGlobalAug(Augmentation):
    @global_aug
    def apply(self, trajs):
        # Process all trajectories
        # Return list of new trajectories
        return new_trajs
"""

CHAIN = """
pipeline = Pipeline(client)
pipeline.add(AugmentationA())
pipeline.add(AugmentationB(times=5, keep_original=True))
results = pipeline.run(data)
"""

MIMICGEN = """
from trajloom import Pipeline, MimicGenAugmentation, hdf5_to_rdd
from trajloom.mimicgen import MG_TaskSpec
import trajloom.mimicgen as FileUtils

# Load data
trajectories_rdd = hdf5_to_rdd(client, "demos.hdf5")

# Get environment metadata from HDF5
env_meta = FileUtils.get_env_metadata_from_dataset("demos.hdf5")

# Configure task specification
task_spec = MG_TaskSpec()

# Subtask 1: Grasp object
task_spec.add_subtask(
    object_ref="object_name",
    subtask_term_signal="grasp",
    subtask_term_offset_range=(10, 20),
    selection_strategy="nearest_neighbor_object",
    selection_strategy_kwargs={"nn_k": 3},
    action_noise=0.05,
    num_interpolation_steps=5,
)

# Subtask 2: Final placement
task_spec.add_subtask(
    object_ref="target_name",
    subtask_term_signal=None,  # Final subtask
    selection_strategy="random",
    action_noise=0.05,
)

# Build pipeline
pipeline = Pipeline(client)
pipeline.add(MimicGenAugmentation(
    task_spec=task_spec,
    env_meta=env_meta,  # Pass env metadata
    env_interface_type="MG_TaskName",  # e.g., "MG_Square"
    times=10,  # Generate 10 new trajectories
    keep_original=True,
    num_workers=5,  # Parallel generation
))

# Run pipeline
results = pipeline.run(trajectories_rdd).collect()
"""

MORE_MEMORY = """
client = Client(cluster)
"""

MORE_WORKERS = """
pipeline.add(MimicGenAugmentation(..., num_workers=10))
"""

YOUR_OWN = """
class MyAugmentation(Augmentation):
    @local_aug
    def apply(self, traj):
        # Your logic here
        return modified_traj
"""


@pytest.fixture(scope="module")
def cluster():
    """The address of one worker."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def names(cluster, tmp_path, monkeypatch):
    """The blocks' names, in a folder with their files."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "blocks", "cluster": cluster}
    yield names
    if "client" in names:
        names["client"].close()


def run(block: str, names: dict, **placeholders: str) -> None:
    """Run a block with its placeholders filled in."""
    for name, value in placeholders.items():
        assert name in block
        block = block.replace(name, value)
    exec(compile(block, "block", "exec"), names)


@pytest.mark.cluster
def test_basic_usage_then_loading_and_saving(names, tmp_path):
    for name in ("data.hdf5", "input.hdf5"):
        shutil.copy(HUMAN, tmp_path / name)
    run(BASIC, names)
    with h5py.File(HUMAN) as file:
        for number, traj in enumerate(names["results"]):
            noise = traj["states"] - file[f"data/demo_{number}/states"][()]
            assert 0.008 < noise.std() < 0.012
    run(LOADING_AND_SAVING, names)
    with h5py.File("output.hdf5") as file, h5py.File(HUMAN) as human:
        assert sorted(file["data"]) == sorted(human["data"])
        assert file["data"].attrs["env_args"] == human["data"].attrs["env_args"]
        np.testing.assert_array_equal(file["data/demo_9/states"][()], names["results"][9]["states"])


def test_local_and_global_augmentations_and_a_chain(tmp_path, monkeypatch):
    names = {"__name__": "blocks", "client": None, **vars(tl), "Augmentation": tl.Augmentation, "Pipeline": tl.Pipeline}
    names |= {"local_aug": tl.local_aug, "global_aug": tl.global_aug}
    names["modified_traj"] = {"actions": np.ones((2, 7))}
    names["new_trajs"] = [{"actions": np.zeros((3, 7))}]
    run(LOCAL, names)
    run(GLOBAL, names)
    run(YOUR_OWN, names)
    names["data"] = [{"actions": np.full((n, 7), 5.0)} for n in (4, 6)]
    for local in ("MyLocalAug", "MyAugmentation"):
        run(CHAIN, names, AugmentationA=local, AugmentationB="MyGlobalAug")
        assert [traj["actions"][0, 0] for traj in names["results"].collect()] == [1.0, 1.0, 0, 0, 0, 0, 0]


@pytest.mark.sim
@pytest.mark.cluster
def test_mimicgen(names, cluster):
    tl.expert("lift", "sources", episodes=2, unit=2, seed=3, scheduler=cluster)
    tl.read("sources").write("demos.hdf5")
    names["Client"] = __import__("distributed").Client
    run(MORE_MEMORY, names)
    # ten episodes would take long
    run(
        MIMICGEN, names, object_name="cube", target_name="cube", MG_TaskName="MG_Lift",
        **{"times=10": "times=2", "(10, 20)": "(0, 3)"},
    )  # fmt: skip
    assert len({traj.name for traj in names["results"]}) == 4
    assert all(traj.attrs["success"] for traj in names["results"])
    settings = 'task_spec=task_spec, env_interface_type="MG_Lift"'
    run(MORE_WORKERS, names, **{"...": settings})
    assert names["pipeline"].augmentations[-1].num_workers == 10


@pytest.mark.skipif(not (shared := Path(__file__).parents[3] / "shared" / "seeds").exists(), reason="not shipped")
def test_these_are_all_the_blocks_there_are():
    (document,) = [path.read_text() for path in shared.glob("000*")]
    blocks = re.findall(r"```python\n(.*?)```", document, flags=re.DOTALL)
    ours = [BASIC, LOADING_AND_SAVING, LOCAL, GLOBAL, CHAIN, MIMICGEN, MORE_MEMORY, MORE_WORKERS, YOUR_OWN]
    assert len(blocks) == len(ours)
    for theirs, own in zip(blocks, ours, strict=True):
        differ = {line for line in theirs.strip().splitlines() if line not in own.splitlines()}
        allowed = ("import ", "spark", "Spark", "    .", "# Initialize")
        assert all(any(word in line for word in allowed) for line in differ), differ
