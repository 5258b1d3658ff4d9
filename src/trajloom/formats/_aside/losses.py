"""What a format has no place for, in words."""

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np
import pyarrow as pa

from trajloom.formats import Loss, Source

EPISODE_FACTS: Mapping[str, tuple[str, Callable[[pa.Table], bool]]] = {
    "success": ("whether episodes succeeded", lambda t: t.column("success").null_count < t.num_rows),
    "seed": ("seeds of episodes", lambda t: t.column("seed").null_count < t.num_rows),
    "task": ("tasks of episodes", lambda t: t.column("task").null_count < t.num_rows),
    "splits": ("filter keys", lambda t: any(t.column("splits").to_pylist())),
    "model": ("model XML of episodes", lambda t: t.column("model").null_count < t.num_rows),
    "attrs": ("attributes of episodes", lambda t: set(t.column("attrs").to_pylist()) - {"{}", '{"": {}}'} != set()),
}
"""Column of `episodes` -> what it is, and whether a table has any of it."""


def losses(
    source: Source, columns: Collection[str], episode_columns: Collection[str] = (), holds: Collection[str] = ()
) -> Iterator[Loss]:
    """What a format cannot hold of a dataset and keeps aside.

    Args:
        source: The dataset.
        columns: Columns of `steps` that the format holds without any change.
        episode_columns: Data columns of `episodes` that it holds.
        holds: What else it holds: columns of `episodes` of ours (`success`, ...), "attempts", "rest", "attrs of the
            file", "env_args", "nulls" (of columns that episodes lack), "gaps" (nulls at single steps).
    """
    header, parts = source.header, source.parts()
    own = ("episode_index", "frame_index", "timestamp")
    lacking = [f.name for f in header.steps_schema if f.name not in own and f.name not in columns]
    if lacking:
        yield Loss(f"columns of steps: {', '.join(lacking)}", kept_aside=True)
    lacking = [column.name for column in header.episodes if column.name not in episode_columns]
    if lacking:
        yield Loss(f"arrays that are one an episode: {', '.join(lacking)}", kept_aside=True)
    nullable = [column.name for column in (*header.steps, *header.episodes) if column.nullable]
    if nullable and "nulls" not in holds:
        yield Loss(f"columns that some episodes lack, filled there: {', '.join(nullable)}", kept_aside=True)
    elif "gaps" not in holds and (found := _gaps(source, columns)):
        yield Loss(f"columns that single steps lack, filled there: {', '.join(found)}", kept_aside=True)
    if header.env_args is not None and "env_args" not in holds:
        yield Loss("the environment's arguments (env_args)", kept_aside=True)
    if header.attrs and "attrs of the file" not in holds:
        yield Loss("attributes of the file and its groups", kept_aside=True)
    for fact, (what, has) in EPISODE_FACTS.items():
        if fact not in holds and any(has(part.episodes()) for part in parts):
            yield Loss(what, kept_aside=True)
    if "attempts" not in holds and any(part.attempts().num_rows for part in parts):
        yield Loss("the ledger of attempts", kept_aside=True)
    if "rest" not in holds and any(next(part.rest(), None) is not None for part in parts):
        yield Loss("arrays that are no regular column (the table `rest`)", kept_aside=True)


def _gaps(source: Source, columns: Collection[str]) -> list[str]:
    """Columns that are null at some steps of an episode and have values at others; reads those that may be."""
    open_ = [column.name for column in source.header.steps if column.nullable and column.name in columns]
    found: set[str] = set()
    for part in source.parts() if open_ else ():
        left = [name for name in open_ if name not in found]
        # of the episode that the last batch ended in: column -> whether it was null there
        last, was = -1, dict[str, bool]()
        for batch in part.steps(["episode_index", *left]) if left else ():
            index = batch.column("episode_index").to_numpy()
            for name in left:
                null = batch.column(name).is_null().to_numpy(zero_copy_only=False)
                begins = last == index[0] and name in was and was[name] != null[0]
                if begins or (np.diff(null) & (np.diff(index) == 0)).any():
                    found.add(name)
                was[name] = bool(null[-1])
            last = int(index[-1])
    return [name for name in open_ if name in found]
