"""Trajloom: a handful of robot demonstrations in, thousands of verified ones out, kept as columns.

>>> import trajloom as tl
>>> tl.read("demos.hdf5").episodes().collect()  # doctest: +SKIP
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trajloom.annotation import annotate
    from trajloom.dataset import Dataset, merge, read
    from trajloom.mimicgen import DataGenerator
    from trajloom.run import expert, generate
    from trajloom.store import compact
    from trajloom.task import DatagenInfo, Subtask, TaskSpec

__version__ = version("trajloom")

_HOMES = {
    "Dataset": "trajloom.dataset",
    "read": "trajloom.dataset",
    "merge": "trajloom.dataset",
    "annotate": "trajloom.annotation",
    "compact": "trajloom.store",
    "generate": "trajloom.run",
    "expert": "trajloom.run",
    "DatagenInfo": "trajloom.task",
    "Subtask": "trajloom.task",
    "TaskSpec": "trajloom.task",
    "DataGenerator": "trajloom.mimicgen",
}

__all__ = [
    "DataGenerator",
    "DatagenInfo",
    "Dataset",
    "Subtask",
    "TaskSpec",
    "__version__",
    "annotate",
    "compact",
    "expert",
    "generate",
    "merge",
    "read",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that `import trajloom` is quick and light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'trajloom' has no attribute {name!r}; there are: {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
