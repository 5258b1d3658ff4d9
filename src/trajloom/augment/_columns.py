"""Which columns a setting means: names and shell patterns ("obs/*"), of those that an augmentation can work on."""

from collections.abc import Callable, Iterable

from trajloom.edit.columns import fits
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.schema import Column, Header


def chosen(header: Header, patterns: Iterable[str], can: Callable[[Column], bool], what: str) -> list[Column]:
    """The columns of `steps` that fit a pattern and that can be worked on.

    Args:
        header: Of the dataset.
        patterns: Names and patterns. A name means that column and no other; a pattern takes those that can.
        can: Whether a column can be worked on.
        what: What such a column holds, for messages: "floats".

    Raises:
        UnknownNameError: A pattern fits no column.
        SettingsError: A column that is named cannot be worked on, or none can.
    """
    patterns = tuple(patterns)
    there = [column.name for column in header.steps]
    unknown = [pattern for pattern in patterns if not any(fits(name, [pattern]) for name in there)]
    if unknown:
        raise UnknownNameError("column in steps", ", ".join(unknown), there)
    wrong = [column for column in header.steps if column.name in patterns and not can(column)]
    if wrong:
        found = "; ".join(f"{column.name} is {column.dtype} {column.shape}" for column in wrong)
        raise SettingsError(f"a column of {what} is needed: {found}")
    found = [column for column in header.steps if fits(column.name, patterns) and can(column)]
    if not found:
        usable = [column.name for column in header.steps if can(column)]
        raise SettingsError(
            f"{', '.join(patterns)} fits no column of {what}; there are: {', '.join(usable) or 'none at all'}"
        )
    return found


def is_float(column: Column) -> bool:
    """Whether a column holds floats."""
    return column.dtype.startswith("float")
