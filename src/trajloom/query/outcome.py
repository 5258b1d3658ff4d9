"""How often a dataset's attempts succeeded, why not, and with which sources."""

import math
from dataclasses import dataclass
from typing import Literal

import polars as pl

from trajloom.dataset import Dataset

Z95 = 1.959963984540054
"""Standard deviations on each side of the middle 95 % of a normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How often it succeeded."""

    successes: int
    attempts: int
    """Tries; of data that was not generated, the episodes that say whether they succeeded."""
    steps: int
    """Control steps of all of them, also of those that failed."""

    @property
    def rate(self) -> float:
        """NaN where nothing was tried."""
        return self.successes / self.attempts if self.attempts else math.nan

    @property
    def low(self) -> float:
        """Lower end of the rate's 95 % interval."""
        return wilson(self.successes, self.attempts)[0]

    @property
    def high(self) -> float:
        """Upper end of the rate's 95 % interval."""
        return wilson(self.successes, self.attempts)[1]

    @property
    def steps_per_success(self) -> float:
        """Steps that a success costs, failures included; infinite where there is none."""
        return self.steps / self.successes if self.successes else math.inf


def wilson(successes: int, attempts: int, z: float = Z95) -> tuple[float, float]:
    """The interval that a rate lies in, from how often it succeeded: 95 % unless told otherwise.

    Source:
        Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    if not attempts:
        return 0.0, 1.0
    p, zz = successes / attempts, z * z / attempts
    middle, half = p + zz / 2, z * math.sqrt(p * (1 - p) / attempts + zz / (4 * attempts))
    # the ends are exact at rates of 0 and 1, where rounding would leave 1e-17
    low = 0.0 if successes == 0 else (middle - half) / (1 + zz)
    high = 1.0 if successes == attempts else (middle + half) / (1 + zz)
    return low, high


def success_rate(dataset: Dataset) -> Outcome:
    """How often an attempt succeeded; where there are no attempts, how many episodes are successes."""
    found = _outcome(dataset.attempts(), "steps")
    return found if found.attempts else _outcome(dataset.episodes().filter(pl.col("success").is_not_null()), "length")


def _outcome(rows: pl.LazyFrame, steps: str) -> Outcome:
    counts = rows.select(
        successes=pl.col("success").sum(), attempts=pl.len(), steps=pl.col(steps).cast(pl.Int64).sum()
    ).collect()
    return Outcome(**{name: int(value) for name, value in counts.row(0, named=True).items()})


def failures(dataset: Dataset) -> pl.LazyFrame:
    """Why attempts failed, the commonest cause first.

    Columns: `reason`, the kind of the failure (what stands before the first semicolon of an attempt's reason);
    `failed_subtask`; `attempts`; their `share` of all; `example`, the number of one of them.
    """
    attempts = dataset.attempts().with_columns(total=pl.len(), reason=pl.col("reason").str.split(";").list.first())
    return (
        attempts.filter(~pl.col("success"))
        .group_by("reason", "failed_subtask")
        .agg(attempts=pl.len(), share=pl.len() / pl.col("total").first(), example=pl.col("attempt").min())
        .sort("attempts", "reason", "failed_subtask", descending=[True, False, False])
    )


def successes_by_source(dataset: Dataset, per: Literal["segment", "source"] = "segment") -> pl.LazyFrame:
    """How attempts went that used a source demonstration.

    Columns: `eef` and `subtask` where it is per segment; `source_episode`; `attempts` that chose that source (for
    that subtask), `successes` of the whole attempt among them, their `rate` and its 95 % interval `low` to `high`.

    Args:
        dataset: A generated dataset; others have no rows.
        per: Each source's segments apart, or each source as a whole.
    """
    key = ["eef", "subtask", "source_episode"] if per == "segment" else ["source_episode"]
    used = dataset.attempts().select("attempt", "success", "choices").explode("choices").drop_nulls("choices")
    used = used.unnest("choices").unique(["attempt", *key])
    counted = used.group_by(key).agg(attempts=pl.len(), successes=pl.col("success").sum())
    return counted.with_columns(rate=pl.col("successes") / pl.col("attempts"), **_wilson_columns()).sort(key)


def _wilson_columns() -> dict[str, pl.Expr]:
    """`wilson` of the columns `successes` and `attempts`."""
    n = pl.col("attempts").cast(pl.Float64)
    p, zz = pl.col("successes") / n, Z95 * Z95 / n
    half = Z95 * (p * (1 - p) / n + zz / (4 * n)).sqrt()
    low, high = (p + zz / 2 - half) / (1 + zz), (p + zz / 2 + half) / (1 + zz)
    return {"low": pl.when(p == 0).then(0.0).otherwise(low), "high": pl.when(p == 1).then(1.0).otherwise(high)}


def lengths(dataset: Dataset) -> pl.LazyFrame:
    """How long episodes are, successes and failures apart.

    Columns: `success`, `episodes`, their `steps`, and of an episode's steps `mean`, `std`, `min`, `q25`, `median`,
    `q75`, `max`.
    """
    length = pl.col("length")
    quantiles = {name: length.quantile(q, "linear") for name, q in (("q25", 0.25), ("median", 0.5), ("q75", 0.75))}
    frame = dataset.episodes().group_by("success").agg(
        episodes=pl.len(), steps=length.sum(), mean=length.mean(), std=length.std(ddof=0),
        min=length.min(), **quantiles, max=length.max(),
    )  # fmt: skip
    return frame.sort("success", descending=True, nulls_last=True)
