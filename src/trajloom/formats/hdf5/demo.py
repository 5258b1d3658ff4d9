"""One demonstration of a file that is open: its arrays are read, and what is wrong with them is found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from h5py import h5d, h5g

from trajloom.errors import DamagedFileError
from trajloom.formats.hdf5.columns import ABSENT, Plan
from trajloom.formats.hdf5.file import Hdf5File, chunk_row_bytes, read_rows
from trajloom.formats.hdf5.rest import BATCH_BYTES, array_rows
from trajloom.formats.hdf5.scan import UNREADABLE, first_line, portable
from trajloom.tables import Array


@dataclass(frozen=True)
class OpenDemo:
    """A demonstration; its group is opened when something of it is read through HDF5."""

    file: Hdf5File
    path: str
    """What the file is called."""
    where: str
    """Path of its group."""
    number: int
    """Its place among the part's."""
    length: int

    @cached_property
    def group(self) -> h5g.GroupID:
        return self.file.group(self.where)

    def read(self, plan: Plan, into: Array) -> None:
        """Fill `into` with a whole array, through HDF5."""
        try:
            read_rows(self.file.dataset(self.group, plan.path), plan, into)
        except UNREADABLE as error:
            raise self._damage(plan, error) from error

    def forward(self, plan: Plan) -> Callable[[int, Array], None]:
        """What fills an array with the frames from a first one on; the array in the file is kept open for the next."""
        offset = int(plan.where[self.number])
        if offset >= 0:
            return lambda start, into: self.file.read_at(offset + start * plan.column.nbytes, _bytes_of(into))
        try:
            cache_bytes = chunk_row_bytes(self.file.dataset(self.group, plan.path))
            return partial(self._frames, plan, self.file.dataset(self.group, plan.path, cache_bytes))
        except UNREADABLE as error:
            raise self._damage(plan, error) from error

    def _frames(self, plan: Plan, dataset: h5d.DatasetID, start: int, into: Array) -> None:
        try:
            read_rows(dataset, plan, into, start)
        except UNREADABLE as error:
            raise self._damage(plan, error) from error

    def _damage(self, plan: Plan, error: Exception) -> DamagedFileError:
        said = f"{self.where}/{plan.path} cannot be read ({first_line(error)})"
        return DamagedFileError(f'{self.path}: {said}; the whole episodes can be read with on_error="skip"')

    # ---- what is wrong -----------------------------------------------------------------------------------------

    def faults(self, plans: Sequence[Plan], rest_paths: Sequence[str], only_actions: bool) -> Iterator[str]:
        """Arrays that cannot be unpacked, and actions that are not finite.

        Args:
            plans: The arrays that are columns; of those that lie in the file as they are, actions alone can be wrong.
            rest_paths: The arrays that are not.
            only_actions: Whether to look at actions alone.
        """
        for plan in plans:
            is_actions = plan.column.name == "actions" and plan.table == "steps"
            if plan.where[self.number] != ABSENT and (is_actions or (plan.where[self.number] < 0 and not only_actions)):
                yield from self._fault(plan, is_actions)
        for path in () if only_actions else rest_paths:
            try:
                for _ in array_rows(self.file, self.group, path, None):
                    pass
            except UNREADABLE as error:
                yield f"{portable(path)} cannot be read ({first_line(error)})"

    def _fault(self, plan: Plan, is_actions: bool) -> Iterator[str]:
        try:
            # all are read, as far as they can be; only actions are looked at
            bad = [_not_finite(values) for values in self._slices(plan) if is_actions]
        except DamagedFileError as error:
            yield str(error)
            return
        wrong = np.flatnonzero(np.concatenate(bad)) if bad else []
        if len(wrong):
            yield f"{plan.path} is not finite in {len(wrong)} of {self.length} steps (first: {wrong[0]})"

    def _slices(self, plan: Plan) -> Iterator[Array]:
        """The frames of an array, some at a time; what is one value an episode, as a whole."""
        if plan.table == "episodes":
            values = np.empty(plan.column.shape, dtype=plan.column.dtype)
            self.read(plan, values)
            yield values
            return
        rows, read = max(1, BATCH_BYTES // max(1, plan.column.nbytes)), self.forward(plan)
        for start in range(0, self.length, rows):
            values = np.empty((min(rows, self.length - start), *plan.column.shape), dtype=plan.column.dtype)
            read(start, values)
            yield values


def _not_finite(frames: Array) -> Array:
    """(T,). Which frames have a NaN or an infinity."""
    return ~np.isfinite(frames).reshape(len(frames), -1).all(axis=1)


def _bytes_of(values: Array) -> Array:
    return values.reshape(len(values), -1).view(np.uint8)
