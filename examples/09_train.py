"""Clone the ten human Lift demonstrations' behaviour: a small network from observations to actions, from our loader."""

import argparse
import os
from pathlib import Path

import torch
from torch import nn

import trajloom as tl

HUMAN = Path(__file__).parent / "data" / "robomimic_lift_ph10_lowdim.hdf5"
SEEN = ["obs/object", "obs/robot0_eef_pos", "obs/robot0_eef_quat", "obs/robot0_gripper_qpos"]


def seen(batch: dict) -> torch.Tensor:
    """(B, 19). What the network sees of each step."""
    return torch.cat([batch["obs"][name.removeprefix("obs/")] for name in SEEN], dim=-1)


def main(steps: int) -> None:
    # Columns are unpacked once into the cache (`trajloom cache list`); an item is a step, its numbers of one scale.
    demos = tl.TrajectoryDataset(HUMAN, columns=[*SEEN, "actions"], normalize=dict.fromkeys(SEEN, "mean_std"))
    print(demos)

    # A stream shuffles all steps, epoch after epoch. `state_dict` says where it stands, in the middle of one too.
    stream = tl.TrajectoryStream(demos, batch_size=64, seed=1, even="drop")
    torch.manual_seed(0)
    policy = nn.Sequential(nn.Linear(19, 64), nn.ReLU(), nn.Linear(64, 7), nn.Tanh())
    optimiser = torch.optim.Adam(policy.parameters(), lr=1e-3)
    done = 0
    while done < steps:
        for batch in stream:
            loss = nn.functional.mse_loss(policy(seen(batch)), batch["actions"])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            if done in (1, steps):
                print(f"step {done}: loss {loss.item():.3f}, {stream.state_dict()}")
            if done == steps:
                break

    # Windows for policies that look back or predict chunks of actions; a DataLoader takes the dataset as it is.
    windows = tl.TrajectoryDataset(HUMAN, seq_length=8, frame_stack=2, columns=[*SEEN, "actions"], pad_mask=True)
    batch = next(iter(torch.utils.data.DataLoader(windows, batch_size=32, shuffle=True)))
    print({name: tuple(values.shape) for name, values in batch["obs"].items()}, tuple(batch["pad_mask"].shape))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="of the cache; by default the user's")
    parser.add_argument("--steps", type=int, default=50)
    given = parser.parse_args()
    if given.folder:
        os.environ["TRAJLOOM_CACHE"] = given.folder
    main(given.steps)
