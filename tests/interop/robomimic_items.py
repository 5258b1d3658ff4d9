"""Keep items of robomimic's own SequenceDataset. Run by scripts/interop_loader.sh, in robomimic's environment.

python tests/interop/robomimic_items.py HDF5 OUT
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
from robomimic.utils import obs_utils
from robomimic.utils.dataset import SequenceDataset
from robomimic_names import KEYS, flat

SETTINGS = [
    {
        "frame_stack": stack, "seq_length": length, "pad_frame_stack": front, "pad_seq_length": end,
        # robomimic has no statistics of the mask
        "get_pad_mask": not normalize, "goal_mode": goal, "hdf5_normalize_obs": normalize, "filter_by_attribute": mask,
    }
    for (stack, length), front, end, goal, normalize, mask in itertools.product(
        [(1, 1), (1, 10), (3, 5)], [True, False], [True, False], [None, "last"], [True, False], [None, "valid"]
    )
    if not normalize  # robomimic normalises windows of one step alone
    or (stack, length) == (1, 1)
]  # fmt: skip


def main(path: str, out: Path) -> None:
    obs_utils.initialize_obs_modality_mapping_from_dict({"low_dim": list(KEYS)})
    out.mkdir(parents=True, exist_ok=True)
    (out / "settings.json").write_text(json.dumps(SETTINGS))
    for number, settings in enumerate(SETTINGS):
        dataset = SequenceDataset(path, KEYS, ("actions", "rewards", "dones", "absent"), hdf5_use_swmr=False,
                                  hdf5_cache_mode="low_dim", load_next_obs=True, **settings)  # fmt: skip
        arrays = [flat(dataset[i]) for i in range(len(dataset))]
        stacked = {name: np.stack([item[name] for item in arrays]) for name in arrays[0]}
        np.savez(out / f"{number}.npz", **stacked)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
