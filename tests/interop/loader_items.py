"""Compare our SequenceDataset with items that robomimic's own made. Run by scripts/interop_loader.sh.

python tests/interop/loader_items.py HDF5 MADE
"""

import json
import sys
from pathlib import Path

import numpy as np
from robomimic_names import KEYS, flat

from trajloom.load.robomimic import SequenceDataset


def main(path: str, made: Path) -> None:
    items = 0
    for number, settings in enumerate(json.loads((made / "settings.json").read_text())):
        dataset = SequenceDataset(path, KEYS, ("actions", "rewards", "dones", "absent"), **settings)
        wanted = np.load(made / f"{number}.npz")
        found = flat(dataset.batch(np.arange(len(dataset))))
        assert set(found) == set(wanted.files), (settings, set(found) ^ set(wanted.files))
        for name, values in found.items():
            assert values.shape == wanted[name].shape, (settings, name, values.shape, wanted[name].shape)
            tolerance = 2e-5 if settings["hdf5_normalize_obs"] else 0
            np.testing.assert_allclose(
                values, wanted[name].astype(values.dtype), rtol=tolerance, atol=tolerance, err_msg=f"{settings} {name}"
            )
        items += len(dataset)
    print(f"{number + 1} settings, {items} items: ours are robomimic's")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
