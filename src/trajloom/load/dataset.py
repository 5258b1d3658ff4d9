"""Training items by number: `TrajectoryDataset`, a map-style dataset for PyTorch, or for NumPy alone."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trajloom.errors import SettingsError
from trajloom.load import goals, items
from trajloom.load.fields import Form, Images, fields_of, put
from trajloom.load.gathering import Gathering
from trajloom.load.goals import Goal
from trajloom.load.groups import Dtype, Packed
from trajloom.load.items import Gathered, Item
from trajloom.load.names import Layout, item_keys
from trajloom.load.normalizer import Normalizer
from trajloom.load.opening import Columns, Data, Found, find
from trajloom.load.records import Records
from trajloom.load.rows import Pad, Rows, Shape, padding
from trajloom.load.scaling import Normalize, scales_of
from trajloom.load.windows import Windows
from trajloom.tables import Array

if TYPE_CHECKING:
    # what a DataLoader's signature asks for; at run time PyTorch asks for no class
    from torch.utils.data import Dataset as MapStyle
else:
    MapStyle = object

Arrays = Literal["torch", "numpy"]


class TrajectoryDataset(MapStyle):
    """A dataset of ours or of any format as training items, each found by its number.

    `torch.utils.data.DataLoader` takes it as it is, and gets each batch by one gather. An item depends on the dataset,
    the seed and its number alone. Columns are unpacked once into the cache folder (`trajloom cache list`) and mapped
    into memory from there: a process holds the batches that it makes, and the system's page cache all else.

    >>> dataset = TrajectoryDataset("demos.hdf5", seq_length=10, columns=["actions", "obs/*"])  # doctest: +SKIP
    >>> loader = DataLoader(dataset, batch_size=256, shuffle=True)  # doctest: +SKIP
    """

    def __init__(
        self, data: "Data | Found", seq_length: int | None = None, *, frame_stack: int = 1, pad: Pad = True,
        pad_mask: bool = False, columns: Columns = None, split: str | None = None,
        episodes: Iterable[int] | None = None,
        normalize: Normalize = None, goal: Goal | None = None, dtype: Dtype = "float32", images: Images = "uint8",
        channels_first: bool = False, layout: Layout = "source", arrays: Arrays = "torch", seed: int = 0,
        cache: str | os.PathLike[str] | None = None, cached_images: Packed = "raw", **read_options: Any,
    ):  # fmt: skip
        """Open a dataset; what is not in the cache is unpacked now.

        Args:
            data: A path or URL of any format, or a `Dataset`. A `Dataset` that was changed in memory is read once each
                time to know whether the cache has it; write it first to avoid that.
            seq_length: Steps of a window from the step that it is about on; an item's arrays are then (L, ...). None
                makes an item a single step, without an axis of time.
            frame_stack: Steps up to the one that a window is about, it included: L is `frame_stack - 1 + seq_length`.
            pad: Whether windows reach out of their episode, where its first or last step is there again: True, False,
                "start" or "end" alone. Without, there is no window about steps that would need it.
            pad_mask: Whether an item says which of its steps are in the episode: `pad_mask`, (L,) bool.
            columns: Names or patterns of columns, ours or the source's: ["actions", "obs/*"]. None takes all.
            split: Only the episodes of this split (robomimic's filter key).
            episodes: Only the episodes of these numbers (`episode_index`).
            normalize: "mean_std" or "min_max" (to [-1, 1]) for all float columns but rewards and images, or a dict of
                names or patterns; from exact statistics of the episodes that are loaded. See `normalizer`.
            goal: "last" adds the observations of the episode's last step under `goal`, "future" those of a step
                from the item's own on, drawn by seed and number.
            dtype: What float columns become; None keeps them, a dict names columns.
            images: "float32" makes colour images numbers from 0 to 1.
            channels_first: Whether images are (C, H, W): a view, laid out as PyTorch's `channels_last`.
            layout: "source" has the names of the source's own files, nested at each slash; "robomimic" the items of
                its SequenceDataset (see `load.robomimic`).
            arrays: "torch" or "numpy"; `batch` gives NumPy either way.
            seed: Of what is drawn.
            cache: The cache folder; None is the user's.
            cached_images: How images lie in the cache: "raw" as they are; "png" compressed without loss, and unpacked
                by whoever makes a batch, such as the workers of a `DataLoader`. Items are the same.
            read_options: How `trajloom.read` is to read a path.

        Raises:
            UnknownNameError: A column, split or episode is not there.
            SettingsError: Settings contradict each other, or the data.
            MissingExtraError: Tensors are asked for, and PyTorch is not installed.
        """
        _check(arrays, goal, layout)
        self.shape = Shape(seq_length=1 if seq_length is None else seq_length, frame_stack=frame_stack, **padding(pad))
        self.goal, self.layout, self.arrays, self.seed, self.pad_mask = goal, layout, arrays, seed, pad_mask
        self._single = seq_length is None and frame_stack == 1
        self._opened = find(data, cache, read_options).packed(columns, dtype, cached_images)
        self._windows = Windows(self._records, self.shape, self._records.positions(split, episodes))

        keys, files = item_keys(self._opened.header, self._opened.columns, layout), self._records.groups
        scales, self.normalizer = scales_of(self._records, normalize, self._windows.episodes, keys)
        fields = [fields_of(rows.group, keys, images, channels_first) for rows in files]
        self._columns = Gathering(files, fields, scales)
        self._goals = Gathering(files, goals.goal_fields(fields, layout), scales) if goal else None

    goal: Goal | None
    layout: Layout
    arrays: Arrays
    normalizer: Normalizer | None
    """How columns are scaled, to scale others alike and to scale back; None where they are not."""

    @property
    def _records(self) -> Records:
        return self._opened.records

    @property
    def columns(self) -> list[str]:
        """Names of the columns of `steps` that are loaded."""
        return [column.name for column in self._opened.columns]

    @property
    def num_episodes(self) -> int:
        """Episodes that are loaded, with those too short for a window."""
        chosen = self._windows.episodes
        return len(self._records.episode_index) if chosen is None else len(chosen)

    @property
    def identity(self) -> str:
        """A hash of all that decides which items there are, and in what order."""
        told = (self._records.folder.name, self.shape, self._windows.episodes)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._windows)

    def where(self, number: int) -> tuple[int, int]:
        """The `episode_index` and the frame of the step that an item is about."""
        (row,) = self._windows.about(np.array([number]))
        episode = self._records.episodes_of(row)
        return int(self._records.episode_index[episode]), int(row - self._records.starts[episode])

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, numbers: Sequence[int]) -> Gathered:
        """Items of some numbers, gathered at once; PyTorch asks for each batch by this."""
        # half of what asarray takes with a list
        return Gathered(self.gather(np.fromiter(numbers, np.int64, len(numbers))), len(numbers))

    def gather(self, numbers: Sequence[int] | Array, *, epoch: int = 0) -> dict[str, Any]:
        """A batch of items of some numbers, as `arrays` says: nested, (B, L, ...).

        Columns of one element type are views of one block of memory, as wide as all of them; `contiguous` of a tensor
        has it apart.

        Args:
            numbers: (B,). Which items.
            epoch: Draws other goals for the same items; items by number are those of epoch 0.
        """
        return self._gathered(np.asarray(numbers, np.int64), epoch, _form(self.arrays))

    def batch(self, numbers: Sequence[int] | Array, *, epoch: int = 0) -> dict[str, Any]:
        """A batch of items of some numbers as NumPy arrays: nested, (B, L, ...)."""
        return self._gathered(np.asarray(numbers, np.int64), epoch, _form("numpy"))

    def _gathered(self, numbers: Array, epoch: int, form: Form) -> dict[str, Any]:
        rows = self._windows.rows(numbers)
        wanted = rows.about if self._single else rows.all
        tree: dict[str, Any] = {}
        self._columns.put(wanted, form, tree)
        if self.goal is not None and self._goals is not None:
            self._goals.put(self._goal_rows(self.goal, rows, numbers, epoch), form, tree)
        if self.pad_mask:
            self._add_mask(rows, form.own, tree)
        return tree

    def _goal_rows(self, goal: Goal, rows: Rows, numbers: Array, epoch: int) -> Array:
        if self.layout == "robomimic" and goal == "last":
            return goals.last_for_robomimic(rows)
        return goals.goal_rows(goal, rows, numbers, goals.key_of(self.seed, epoch))

    def _add_mask(self, rows: Rows, own: Callable[[Array], Any], tree: dict[str, Any]) -> None:
        inside = rows.inside
        if self.layout == "source":
            put(tree, ("pad_mask",), own(inside))
            return
        mask = own(inside[..., None])
        tree["pad_mask"] = mask
        for group in ("obs", "next_obs"):
            if group in tree:
                tree[group]["pad_mask"] = mask
        if "goal_obs" in tree:
            tree["goal_obs"]["pad_mask"] = own(np.ones((len(inside), 1), bool))

    def __repr__(self) -> str:
        shape = "" if self._single else f" of {self.shape.length} steps"
        return (
            f"TrajectoryDataset({self._opened.of!r}, {len(self)} items{shape}, {self.num_episodes} episodes, "
            f"{len(self.columns)} columns)"
        )


def _check(arrays: str, goal: str | None, layout: str) -> None:
    if arrays not in ("torch", "numpy"):
        raise SettingsError(f"arrays must be 'torch' or 'numpy', got {arrays!r}")
    if goal not in (None, "last", "future"):
        raise SettingsError(f"goal must be None, 'last' or 'future', got {goal!r}")
    if layout not in ("source", "robomimic"):
        raise SettingsError(f"layout must be 'source' or 'robomimic', got {layout!r}")
    if arrays == "torch":
        items.torch()


def _form(arrays: Arrays) -> Form:
    """What batches are made of in this process."""
    if arrays == "numpy":
        return Form(_itself)
    torch = items.torch()
    return Form(torch.from_numpy, one_piece=torch.utils.data.get_worker_info() is not None)


def _itself(values: Array) -> Array:
    return values
