"""What going back did: every try at a subtask of a dataset whose attempts could go back."""

import polars as pl
import pyarrow as pa

from trajloom.dataset import Dataset
from trajloom.schema import TRY

_EMPTY = pl.DataFrame(pl.from_arrow(pa.table({f.name: pa.nulls(0, f.type) for f in TRY})))


def tries(dataset: Dataset) -> pl.LazyFrame:
    """One row a try at a subtask, in the order made; none where attempts never went back.

    Columns: `attempt`; `eef`, `subtask`, and `try`, the number of tries before at that subtask in that attempt;
    `source_episode`, `start`, `end`, `offset` of the segment; `propensity`, the chance that it was chosen;
    `success`, whether the attempt went on from it; `steps` that it cost; `reason` for which it was given up.
    """
    if not dataset.header.tries:
        number = pl.lit(None, pl.Int64).alias("attempt")
        return _EMPTY.lazy().select(number, pl.all())
    rows = dataset.attempts().select("attempt", "tries").explode("tries").drop_nulls("tries")
    return rows.unnest("tries")


def tries_by_subtask(dataset: Dataset) -> pl.LazyFrame:
    """What each subtask took.

    Columns: `eef`, `subtask`; `tries`, `successes` among them and their share, `yield`; `per_success`, tries that a
    success took; `steps` simulated, and `wasted`, the share of them that was discarded.
    """
    kept = pl.col("success")
    return (
        tries(dataset)
        .group_by("eef", "subtask")
        .agg(
            tries=pl.len(),
            successes=kept.sum(),
            **{"yield": kept.mean()},
            per_success=pl.len() / kept.sum(),
            steps=pl.col("steps").sum(),
            wasted=pl.col("steps").filter(~kept).sum() / pl.col("steps").sum(),
        )
        .sort("eef", "subtask")
    )


def tries_by_source(dataset: Dataset) -> pl.LazyFrame:
    """How often each source worked for each subtask, the worst first, and why it mostly did not.

    Columns: `eef`, `subtask`, `source_episode`; `tries`, `successes`, `yield`; `reason`, the commonest of its failures.
    """
    kind = pl.col("reason").str.split(";").list.first()
    return (
        tries(dataset)
        .group_by("eef", "subtask", "source_episode")
        .agg(
            tries=pl.len(),
            successes=pl.col("success").sum(),
            **{"yield": pl.col("success").mean()},
            reason=kind.drop_nulls().sort().mode(maintain_order=True).first(),
        )
        .sort("eef", "subtask", "yield", "source_episode")
    )
