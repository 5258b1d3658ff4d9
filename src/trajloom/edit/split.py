"""Dividing the episodes of a dataset into splits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from trajloom.edit.episodes import listing, of_split
from trajloom.edit.view import PartView, View, edited
from trajloom.errors import SettingsError
from trajloom.formats import Source
from trajloom.schema import Header
from trajloom.seeding import rng_for

KEYS = ("train", "valid")
"""What robomimic calls the splits that it trains on and validates with."""


def split(
    source: Source,
    *,
    ratio: float = 0.9,
    seed: int = 0,
    keys: tuple[str, str] | None = None,
    within: str | None = None,
) -> Source:
    """Put every episode in one of two splits (robomimic's filter keys), and no other into them.

    Each episode draws a number from the seed and its name alone, and those with the largest go to the second split, so
    the same episodes are divided alike in whatever order, format or parts they come. There is an episode in both
    where there are two or more.

    Args:
        source: The dataset.
        ratio: Share of the first split.
        seed: Decides the draws.
        keys: Names of the two; by default "train" and "valid", with `within` before them: "better_train".
        within: Divide the episodes of this split alone.

    Raises:
        SettingsError: The ratio is not between 0 and 1, or the keys are no two names.
        UnknownNameError: No episode is in the split `within`.
    """
    keys = keys or tuple(key if within is None else f"{within}_{key}" for key in KEYS)  # type: ignore[assignment]
    assert keys is not None
    if not 0 < ratio < 1:
        raise SettingsError(f"the ratio must lie between 0 and 1, got {ratio:g}")
    if len(set(keys)) != 2 or not all(key and "/" not in key for key in keys):
        raise SettingsError(f"the splits must have two names without slashes, got {', '.join(map(repr, keys))}")
    there = listing(source)
    if within is not None:
        there = there.filter(of_split(there, within))
    names = dict(zip(there["episode_index"].to_list(), there["name"].to_list(), strict=True))
    second = set(_second(names, ratio, seed))
    given = {index: keys[index in second] for index in names}
    return View(source, _header(source.header, keys), partial(SplitPart, keys=keys, given=given))


def _second(names: Mapping[int, str], ratio: float, seed: int) -> list[int]:
    """The episodes that go to the second split."""
    total = len(names)
    count = min(max(round((1 - ratio) * total), 1), total - 1) if total > 1 else 0
    drawn = {index: rng_for(seed, "split", name).random() for index, name in names.items()}
    return sorted(names, key=lambda index: (drawn[index], names[index], index))[total - count :]


def _header(header: Header, keys: tuple[str, str]) -> Header:
    """Without what it says of the earlier members of the splits, beyond the type of their names."""
    masks = header.layout.get("masks")
    if not isinstance(masks, dict):
        return edited(header)
    new = {key: {"dtype": masks[key]["dtype"]} if "dtype" in masks.get(key, {}) else {} for key in keys if key in masks}
    return edited(header, layout={**header.layout, "masks": {**masks, **new}})


@dataclass(frozen=True)
class SplitPart(PartView):
    """A part whose episodes are in other splits."""

    keys: tuple[str, str]
    given: Mapping[int, str]
    """Episode -> the one of the keys that it is given."""

    def episodes(self) -> pa.Table:
        table = self.part.episodes()
        place = table.schema.names.index("splits")
        splits = pa.array(self._splits(table), table.schema.field(place).type)
        return table.set_column(place, table.schema.field(place), splits)

    def _splits(self, table: pa.Table) -> Iterator[list[str]]:
        for row in table.select(["episode_index", "splits"]).to_pylist():
            new = self.given.get(row["episode_index"])
            yield [key for key in row["splits"] if key not in self.keys] + ([] if new is None else [new])
