"""Imports go one way, and heavy libraries stay where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "trajloom"

LAYERS = [
    {"errors", "field_docs"},
    {"seeding", "poses", "schema", "findings", "reopened"},
    {"tables", "task", "folder", "parquet", "osc", "mjcf"},
    {"rollout"},
    {"formats", "engine", "sim"},
    {"store"},
    {"edit"},
    {"frames", "episode"},
    {"dataset", "batch"},
    {"augmentation"},
    {"annotation", "generation", "contract", "check"},
    {"query"},
    {"mimicgen", "report", "load"},
    {"run"},
    {"augment"},
    {"pipeline"},
    {"ingest"},
    {"cli"},
]
"""Each line may import only the lines above it (and its own package)."""

HOMES = {
    "h5py": {"formats"},
    "zarr": {"formats"},
    "numcodecs": {"formats"},
    "av": {"formats"},
    "PIL": {"formats", "edit", "augment"},
    "mcap": {"formats"},
    "mujoco": {"sim"},
    "robosuite": {"sim"},
    "numba": {"sim"},
    "llvmlite": {"sim"},
    "dask": {"run"},
    "distributed": {"run"},
    "torch": {"load"},
    "plotly": {"report"},
    "typer": {"cli"},
    "rich": {"cli"},
}
"""Heavy library -> the only packages that may import it."""

FILES = sorted(SOURCE.rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions; those for type checkers alone do not count."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    for_types = [node for node in nodes if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    typing_only = {inner for node in for_types for inner in ast.walk(node)}
    names: set[str] = set()
    for node in nodes:
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def level(unit: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if unit in layer)


@pytest.fixture(scope="module")
def imports() -> dict[Path, set[str]]:
    """Of every file; one test for all, because there are hundreds."""
    assert len(FILES) > 100
    return {path.relative_to(SOURCE): imports_of(path) for path in FILES}


def test_imports_go_up_the_list_only(imports):
    wrong = {}
    for path, names in imports.items():
        unit = path.with_suffix("").parts[0]
        ours = {name.split(".")[1] for name in names if name.startswith("trajloom.")} - {unit, "__version__"}
        if unit != "__init__" and any(level(other) >= level(unit) for other in ours):
            wrong[str(path)] = sorted(other for other in ours if level(other) >= level(unit))
    assert not wrong, "may not be imported there"


def test_heavy_libraries_stay_in_their_home(imports):
    wrong = {}
    for path, names in imports.items():
        heavy = {name.split(".")[0] for name in names} & HOMES.keys()
        if astray := {name for name in heavy if path.with_suffix("").parts[0] not in HOMES[name]}:
            wrong[str(path)] = sorted(astray)
    assert not wrong, "may not be imported there"


def test_import_is_light():
    heavy = {"h5py", "zarr", "av", "mcap", "PIL", "dask", "distributed", "mujoco", "robosuite", "torch", "numba"}
    code = f"import sys; import trajloom; print(*({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == []


def test_what_workers_import_is_light():
    heavy = {"polars", "zarr", "av", "mcap", "PIL", "mujoco", "robosuite", "torch", "numba"}
    code = f"import sys, trajloom.run.own_chance, trajloom.pipeline.units; print(*({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == []


def test_no_public_name_is_also_a_module():
    # importing the module would put it in the place of the function
    import trajloom

    assert not {path.stem for path in SOURCE.iterdir()} & set(trajloom.__all__)


def test_every_public_name_is_there():
    import trajloom

    for name in trajloom.__all__:
        assert getattr(trajloom, name) is not None
