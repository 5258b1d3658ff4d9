"""Which columns are scaled and how, as vectors over the rows of packed records: one operation scales all columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trajloom.edit.columns import fits
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.load import statistics
from trajloom.load.groups import Group, Slot
from trajloom.load.normalizer import STATISTICS, Mode, Normalizer, Scaling
from trajloom.load.records import GroupRows, Records
from trajloom.schema import path_of
from trajloom.tables import Array

Normalize = Mode | Mapping[str, Mode] | None
"""How all float columns but rewards and those of files of their own are scaled; or columns by name or pattern."""


@dataclass(frozen=True)
class Scale:
    """How the rows of one group are scaled: (rows - shift) * scale, (width,) each."""

    shift: Array
    scale: Array

    def apply(self, block: Array) -> None:
        """Scale rows (..., width) where they are."""
        np.subtract(block, self.shift, out=block)
        np.multiply(block, self.scale, out=block)


def modes_of(groups: Sequence[Group], normalize: Normalize) -> dict[str, Mode]:
    """Column -> how it is scaled.

    Raises:
        UnknownNameError: A pattern fits no column.
        SettingsError: A column is not of floats, or there is no such way to scale.
    """
    columns = {slot.column.name: slot.column for group in groups for slot in group.slots}
    if normalize is None:
        return {}
    floats = [group for group in groups if group.dtype.startswith("float") and not group.apart]
    plain = [slot.column.name for group in floats for slot in group.slots]
    if isinstance(normalize, str):
        return {name: normalize for name in plain if name != "rewards"}
    found: dict[str, Mode] = {}
    for pattern, mode in normalize.items():
        fit = [name for name in columns if fits(path_of(name), [pattern])]
        if not fit:
            raise UnknownNameError("column", pattern, columns)
        # a pattern means those that it can mean
        found |= {name: mode for name in fit if name == pattern or name in plain}
    whole = [name for name in found if not columns[name].dtype.startswith("float")]
    if whole:
        raise SettingsError(f"only columns of floats can be normalised; {', '.join(whole)} are not, see `dtype`")
    return found


def scales_of(
    records: Records, normalize: Normalize, episodes: Sequence[int] | None, keys: Mapping[str, tuple[str, ...]]
) -> tuple[list[Scale | None], Normalizer | None]:
    """How each group is scaled (None: not at all), and the same by the columns' names in an item."""
    modes = modes_of([rows.group for rows in records.groups], normalize)
    scalings: dict[str, Scaling] = {}
    for rows in records.groups:
        wanted = [slot for slot in rows.group.slots if slot.column.name in modes]
        # images are not of floats
        if wanted and isinstance(rows, GroupRows):
            found = statistics.of_group(records, rows, episodes)
            scalings |= {s.column.name: _scaling(found, s, modes[s.column.name]) for s in wanted}
    # what comes after a step is scaled like what came before it, so that both can be compared
    for name in scalings:
        before = name.removeprefix("next_")
        if name.startswith("next_obs/") and before in scalings:
            scalings[name] = scalings[before]
    named = {"/".join(keys[name]): scaling for name, scaling in scalings.items()}
    return [_scale(rows.group, scalings) for rows in records.groups], Normalizer(named) if named else None


def _scaling(found: Mapping[str, Array], slot: Slot, mode: Mode) -> Scaling:
    shape = slot.column.shape
    return Scaling(mode, {name: found[name][slot.start : slot.stop].reshape(shape) for name in STATISTICS})


def _scale(group: Group, scalings: Mapping[str, Scaling]) -> Scale | None:
    shift, scale = np.zeros(group.width, group.dtype), np.ones(group.width, group.dtype)
    there = [slot for slot in group.slots if slot.column.name in scalings]
    for slot in there:
        scaling = scalings[slot.column.name]
        shift[slot.start : slot.stop] = scaling.shift.reshape(-1)
        scale[slot.start : slot.stop] = scaling.scale.reshape(-1)
    return Scale(shift, scale) if there else None
