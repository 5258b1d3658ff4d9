"""Any dataset as HDF5 and back is the same dataset, bit for bit."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import any_dataset
import in_memory
from any_dataset import assert_same
from trajloom import formats
from trajloom.formats import Source

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
LAYOUTS = ["hdf5", "isaaclab", "simscaleai", "dataaug"]


def again(source: Source, path: Path, layout: str) -> Source:
    """The dataset, written as a layout and read."""
    formats.write(layout, source, str(path))
    return formats.read(layout, str(path))


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(source=any_dataset.datasets(), foreign=st.booleans())
def test_any_dataset_comes_back(layout, source, foreign, tmp_path_factory):
    layouts = {"format": "elsewhere", "x": [1]} if foreign else {}
    source = in_memory.MemorySource(
        source.header.with_(layout=layouts), source.members, source.episodes_per_part, rest_rows=source.rest_rows
    )
    assert_same(again(source, tmp_path_factory.mktemp("any") / "a.hdf5", layout), source)
