"""From rows of packed records to an item's columns: gathered, scaled and cut."""

from collections.abc import Sequence
from typing import Any

from trajloom.load.fields import Cut, Field, Form
from trajloom.load.pictures import Pictures
from trajloom.load.records import GroupRows
from trajloom.load.scaling import Scale
from trajloom.tables import Array


class Gathering:
    """Where some columns of an item come from: the files that have them, how these are scaled, and how cut."""

    def __init__(
        self, files: Sequence[GroupRows | Pictures], fields: Sequence[Sequence[Field]], scales: Sequence[Scale | None]
    ):
        """Of each file the columns that are wanted, and its scale."""
        each = zip(files, fields, scales, strict=True)
        self._parts = [(rows, scale, Cut(some, rows.group.width)) for rows, some, scale in each if some]

    def put(self, rows: Array, form: Form, tree: dict[str, Any]) -> None:
        """Put the columns of some rows, (B,) or (B, L), into a tree."""
        for packed, scale, cut in self._parts:
            block = packed.at(rows)
            if scale is not None:
                scale.apply(block)
            cut.put(block, form, tree)
