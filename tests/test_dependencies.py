"""Every dependency imports, in the set that is installed: the light one (NumPy 2) or the one with the simulator."""

import re
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def modules(requirements: list[str]) -> list[str]:
    return [re.split(r"[<>=~!\[ ]", line)[0] for line in requirements]


@pytest.mark.parametrize("name", modules(PROJECT["dependencies"]))
def test_light_set_imports(name):
    import_module(name)


@pytest.mark.sim
@pytest.mark.parametrize("name", modules(PROJECT["optional-dependencies"]["sim"]))
def test_set_with_the_simulator_imports(name):
    from trajloom.sim.backend import robosuite

    robosuite() if name == "robosuite" else import_module(name)


def test_the_light_set_has_numpy_2_and_the_simulator_has_what_robosuite_can_bear():
    numpy_major = int(import_module("numpy").__version__.split(".")[0])
    assert numpy_major == (1 if find_spec("robosuite") else 2)
