"""Every command and every block of Python in the README runs, in order, in one folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith("trajloom ")]


@pytest.fixture
def folder(tmp_path):
    """A folder where the README's relative paths lead where they should."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


@pytest.mark.sim
@pytest.mark.cluster
def test_every_command_and_every_block_of_python_runs(folder):
    assert len(commands()) >= 8
    for line in commands():
        words = [sys.executable, "-m", "trajloom.cli.main", *shlex.split(line)[1:]]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    for block in blocks("python"):
        done = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_the_raw_commands_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for words in (
        "scripts/check_system.py",
        "-m venv",
        "pip>=25.1",
        ".[sim]' --group dev",
        "scripts/demo.py --out",
        "-m pytest",
    ):
        assert words in README
        assert words in makefile
    assert all(f"make {target}" in README for target in ("demo", "test"))


def test_links_and_pictures_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or os.path.exists(ROOT / target), target


@pytest.mark.sim
@pytest.mark.cluster
@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("[0-9]*.py")), ids=lambda path: path.stem)
def test_examples_run(example, tmp_path):
    done = subprocess.run([sys.executable, example, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
