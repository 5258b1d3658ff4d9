"""A dataset without some of its columns."""

from collections.abc import Iterable

from trajloom.edit import columns
from trajloom.formats import Source


def drop_columns(source: Source, patterns: str | Iterable[str]) -> Source:
    """Leave columns out, and with them what `rest` and the episodes' attributes hold under their names.

    Args:
        source: The dataset.
        patterns: Names or shell patterns of columns of steps and of episodes, whose `*` also stands for slashes:
            "next_obs/*"; "next_obs/" is the same.

    Raises:
        UnknownNameError: Nothing has such a name, with the columns that there are.
    """
    return columns.drop(source, [patterns] if isinstance(patterns, str) else patterns)
