"""The parts of SimScaleAI's document that read and load what was generated, with only the import line changed."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

OBSERVATIONS = {"joint_pos": 7, "joint_vel": 7, "ee_pos": 3, "target_pos": 3}
EPISODES, STEPS = 4, 25

LOADING = """
from simscaleai.training.data.dataset import TrajectoryDataset
from torch.utils.data import DataLoader

dataset = TrajectoryDataset("data/reach.h5")
loader = DataLoader(dataset, batch_size=32, shuffle=True)

for batch in loader:
    print(batch["observations"]["joint_pos"].shape)  # (32, 7)
    print(batch["actions"].shape)                     # (32, 4)
    break
"""

TRAINING = """
from simscaleai.datagen.generator import generate_dataset
from simscaleai.training.data.dataset import TrajectoryDataset
from simscaleai.training.trainer import Trainer, TrainConfig
from simscaleai.models import ModelRegistry
from torch.utils.data import DataLoader

# Generate
generate_dataset("reach", n_episodes=1000, output_path="data/reach.h5",
                 policy_type="scripted", domain_randomization=True)

# Load
dataset = TrajectoryDataset("data/reach.h5")
loader = DataLoader(dataset, batch_size=64, shuffle=True)

# Train
model = ModelRegistry.create("bc", state_dim=20, action_dim=4)
config = TrainConfig(max_steps=50_000, lr=1e-4)
trainer = Trainer(model, loader, config)
trainer.train()
"""

SEED = Path(__file__).parents[3] / "shared" / "seeds" / "004_a6305e2c0263f5ad.txt"


@pytest.fixture
def reach(tmp_path, monkeypatch) -> Path:
    """`data/reach.h5` as the document describes it, in the current folder; actions tell the steps apart."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJLOOM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    with h5py.File("data/reach.h5", "w") as file:
        for number in range(EPISODES):
            group = file.create_group(f"episode_{number}")
            for name, size in OBSERVATIONS.items():
                group.create_dataset(f"observations/{name}", data=rng.normal(size=(STEPS, size)), compression="gzip")
            group.create_dataset("observations/image", data=rng.integers(0, 256, (STEPS, 6, 8, 3), dtype=np.uint8))
            group.create_dataset("actions", data=rng.normal(size=(STEPS, 4)), compression="gzip")
            group.create_dataset("rewards", data=rng.normal(size=STEPS), compression="gzip")
    return tmp_path / "data" / "reach.h5"


def ours(block: str) -> str:
    """The block with SimScaleAI's loader replaced by ours."""
    return block.replace("simscaleai.training.data.dataset", "trajloom")


@pytest.mark.shared_data
def test_the_blocks_are_those_of_the_document():
    if not SEED.exists():
        pytest.skip("the document is not here")
    blocks = re.findall(r"```python\n(.*?)```", SEED.read_text(), re.DOTALL)
    assert LOADING.lstrip() in blocks
    assert TRAINING.lstrip() in blocks


def test_loading_prints_the_shapes_that_the_document_says(reach, capsys):
    exec(ours(LOADING), {})
    assert capsys.readouterr().out == "torch.Size([32, 7])\ntorch.Size([32, 4])\n"


def test_an_epoch_has_every_step_once(reach):
    scope: dict = {}
    exec(ours(LOADING), scope)
    batches = list(scope["loader"])
    found = np.concatenate([batch["actions"].numpy() for batch in batches])
    with h5py.File(reach) as file:
        wanted = np.concatenate([file[f"episode_{i}/actions"][:] for i in range(EPISODES)]).astype(np.float32)
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, wanted.tolist()))
    assert {name: tuple(batches[0]["observations"][name].shape[1:]) for name in batches[0]["observations"]} == {
        **{name: (size,) for name, size in OBSERVATIONS.items()}, "image": (6, 8, 3),
    }  # fmt: skip
    assert batches[0]["rewards"].shape == (32,)


def test_training_on_the_loader_learns(reach):
    """The document's loading and training lines; SimScaleAI's trainer and model are not ours to replace."""
    import torch

    imports = [line for line in TRAINING.splitlines() if "training.data" in line or "torch" in line]
    lines = TRAINING[TRAINING.index("# Load") : TRAINING.index("# Train")]
    scope: dict = {}
    exec(ours("\n".join([*imports, lines])), scope)
    torch.manual_seed(0)
    model = torch.nn.Linear(20, 4)
    losses = []
    for _ in range(15):
        for batch in scope["loader"]:
            state = torch.cat([batch["observations"][name] for name in OBSERVATIONS], dim=-1)
            loss = torch.nn.functional.mse_loss(model(state), batch["actions"])
            losses.append(loss.item())
            slopes = torch.autograd.grad(loss, [*model.parameters()])
            for weights, slope in zip(model.parameters(), slopes, strict=True):
                weights.data -= 0.2 * slope
    assert losses[-1] < losses[0]
