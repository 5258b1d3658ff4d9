"""As many episodes of each kind."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from trajloom.augment import _checks
from trajloom.augment._numbers import renumbered
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.schema import EPISODES, Header

if TYPE_CHECKING:
    from trajloom.dataset import Dataset

SOURCE = "source"
GROUPS = ("task", "success", "model", "seed")


@dataclass(frozen=True, kw_only=True)
class Balance(Augmentation):
    """Repeat, or drop, episodes until there are as many of each kind as of the commonest, or the rarest.

    Which ones is drawn from the seed. Of K copies at most, copy i of episode k becomes episode `K * k + i`, and copies
    but the first are named `demo_7_copy_1`.
    """

    by: str = SOURCE
    """What makes a kind: a column of `episodes` ("task", "success"), or "source": the source demonstration of a
    generated episode's first step, or the dataset that a merged one's episode came from."""
    method: Literal["repeat", "drop"] = "repeat"
    """Up to the commonest, or down to the rarest."""
    copies: Mapping[int, int] | None = field(default=None, repr=False, metadata={"fitted": True})
    """`episode_index` -> how often it is there; what `fit` finds."""

    def __post_init__(self) -> None:
        _checks.one_of(("repeat", "drop"), method=self.method)

    def header(self, header: Header) -> Header:
        if self.by == SOURCE:
            if not header.eefs and not any("episode_range" in source for source in header.sources):
                raise SettingsError("the dataset does not say which source an episode is from: it is neither generated "
                                    f"nor merged; balance by one of {', '.join(GROUPS)}")  # fmt: skip
        elif self.by not in [*EPISODES.names, *(c.name for c in header.episodes if not c.shape)]:
            raise UnknownNameError("column of episodes to balance by", self.by, [SOURCE, *GROUPS])
        return renumbered(header)

    def fit(self, dataset: "Dataset", rng: np.random.Generator) -> "Balance":
        self.header(dataset.header)
        kinds = _kinds(dataset, self.by)
        groups: dict[Any, list[int]] = {}
        for index, kind in kinds:
            groups.setdefault(kind, []).append(index)
        sizes = [len(members) for members in groups.values()]
        wanted = (max if self.method == "repeat" else min)(sizes, default=0)
        copies: Counter[int] = Counter()
        for kind in sorted(groups, key=repr):
            members = rng.permutation(groups[kind]).tolist()
            copies.update(members[at % len(members)] for at in range(wanted))
        return replace(self, copies=dict(copies))

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        if self.copies is None:
            raise SettingsError("balance looks at all episodes first: call fit, and apply what it returns")
        header = self.header(batch.header)
        most = max(self.copies.values(), default=1)
        counts = np.array([self.copies.get(index, 0) for index in batch.episode_index.tolist()], dtype=np.int64)
        positions = np.repeat(np.arange(len(counts)), counts)
        copy = np.arange(len(positions)) - np.repeat(np.cumsum(counts) - counts, counts)
        made = batch.under(header).take_episodes(positions, batch.episode_index[positions] * most + copy)
        names = made.episodes.column("name").to_pylist()
        return made.with_names(f"{name}_copy_{i}" if i else name for name, i in zip(names, copy, strict=True))


def _kinds(dataset: "Dataset", by: str) -> list[tuple[int, Any]]:
    """(`episode_index`, kind) of every episode, in order."""
    if by != SOURCE:
        frame = dataset.episodes().select("episode_index", pl.col(by).alias("//kind")).collect()
        return list(zip(frame["episode_index"].to_list(), frame["//kind"].to_list(), strict=True))
    indices = dataset.episodes().select("episode_index").collect()["episode_index"].to_list()
    if dataset.header.eefs:
        first = dataset.steps().filter(pl.col("frame_index") == 0)
        name = f"source_episode/{dataset.header.eefs[0]}"
        found = dict(first.select("episode_index", name).collect().iter_rows())
        return [(index, found.get(index)) for index in indices]
    ranges = [(source["episode_range"], at) for at, source in enumerate(dataset.header.sources)
              if "episode_range" in source]  # fmt: skip
    return [(i, next((at for (low, end), at in ranges if low <= i < end), None)) for i in indices]
