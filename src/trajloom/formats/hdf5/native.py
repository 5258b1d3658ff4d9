"""What of a dataset from elsewhere lies among a layout's own arrays; the remainder is kept aside."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from trajloom.formats.hdf5.columns import LINEAGE_FOLDER
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.layout import MARK
from trajloom.formats.hdf5.scan import portable
from trajloom.formats.hdf5.told import MAX_ROW_BYTES, Known, Told
from trajloom.schema import LINEAGE, Column, Header, path_of
from trajloom.tables import Rest

FAMILY = frozenset({"hdf5", "isaaclab", "simscaleai", "dataaug"})
"""Formats whose `rest` and attributes are spelled as HDF5 has them."""


class Paths:
    """Paths of one group, none of them above or below another."""

    def __init__(self, reserved: Collection[str] = ()):
        """`reserved` are first steps that no path may have."""
        self._reserved = frozenset(reserved)
        self._taken: set[str] = set()
        self._above: set[str] = set()

    def claim(self, path: str) -> bool:
        """Take a path where it can be one in HDF5 and is free."""
        steps = path.split("/")
        if not _is_path(path, steps) or steps[0] in self._reserved:
            return False
        above = {"/".join(steps[:i]) for i in range(1, len(steps))}
        if path in self._taken or path in self._above or above & self._taken:
            return False
        self._taken.add(path)
        self._above |= above
        return True


class Native:
    """Which columns lie where."""

    def __init__(self, header: Header, dialect: Dialect):
        """Choose: every column whose path is free, and can be one in HDF5."""
        self.header, self.dialect = header, dialect
        self.paths = Paths(() if dialect.folder else (MARK,))
        self.steps: dict[str, str] = {}
        """Column of `steps`, lineage included -> its path."""
        self.episodes: dict[str, str] = {}
        """Data column of `episodes` -> its path."""
        self._known: dict[str, Known] = {}
        for eef in header.eefs if dialect.lineage else ():
            for kind, dtype in LINEAGE.items():
                column = Column(name=f"{kind}/{eef}", dtype=str(dtype), nullable=True)
                self._choose(column, f"{LINEAGE_FOLDER}/{kind}/{eef}", "lineage")
        for column in header.steps:
            self._choose(column, dialect.theirs(path_of(column.name)), "steps")
        for column in header.episodes:
            self._choose(column, dialect.theirs(path_of(column.name)), "episodes")

    def _choose(self, column: Column, path: str, table: str) -> None:
        if column.nbytes > MAX_ROW_BYTES or not self.dialect.holds(column, self.header) or not self.paths.claim(path):
            return
        to = self.episodes if table == "episodes" else self.steps
        to[column.name] = path
        self._known[path] = Known(table, column, False)  # type: ignore[arg-type]

    def told(self, written: set[str], rest: set[str], lengths: Sequence[int]) -> Told:
        """What is to be written down of the columns, once they are written."""
        columns = {path: Known(known.table, known.column, path in written) for path, known in self._known.items()}
        return Told(columns, frozenset(rest), np.array(lengths, dtype=np.int64))

    @property
    def copies(self) -> frozenset[str]:
        """Columns that the reader will find which are but MimicGen's account of our lineage."""
        return frozenset({"src_demo_labels"}) - {column.name for column in self.header.steps}


def _is_path(path: str, steps: Sequence[str]) -> bool:
    return path == portable(path) and "\0" not in path and not {"", ".", ".."} & set(steps)


class RestPaths:
    """Which rows of `rest` of a dataset from elsewhere are also written as the arrays that they are."""

    def __init__(self, header: Header, native: Native, dialect: Dialect):
        self._own = not header.layout
        self._spelled = is_spelled_as_hdf5(header)
        self._bare = dialect.demo_attrs == "none"
        self._episode, self._file = native.paths, Paths((dialect.folder, "mask", MARK))
        self._at_root = bool(dialect.folder) and self._own
        self.native: set[str] = set()
        """Paths in the episodes of those that are."""
        self._of_file: set[str] = set()

    def takes(self, row: Rest) -> bool:
        """Whether a row is written."""
        if not self._spelled:
            return False
        if row.episode_index is None:
            return self._at_root and _claims(row.path, self._file, self._of_file)
        return _claims(row.path, self._episode, self.native)

    def spelled(self, row: Rest) -> Rest:
        """The row, without attributes where the layout has none."""
        return replace(row, attrs={k: v for k, v in (row.attrs or {}).items() if not k}) if self._bare else row


def _claims(path: str, paths: Paths, taken: set[str]) -> bool:
    if path not in taken and not paths.claim(path):
        return False
    taken.add(path)
    return True


def is_exact(header: Header, dialect: Dialect) -> bool:
    """Whether a dataset came from a file of the layout."""
    return header.layout.get("format") == dialect.name


def is_spelled_as_hdf5(header: Header) -> bool:
    """Whether rows of `rest` and attributes are such as HDF5 has: those of a dataset from HDF5, or made in memory."""
    return not header.layout or header.layout.get("format") in FAMILY
