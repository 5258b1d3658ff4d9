"""What is opened in one process and read in others."""

from dataclasses import fields
from typing import Any


class Reopened:
    """A dataclass that goes to other processes as what it was made of: what it has opened is opened again there.

    What it opens is a `cached_property`, or a field that no caller gives (`init=False`).
    """

    def __reduce__(self) -> tuple[Any, ...]:
        made_of = (field.name for field in fields(self) if field.init)  # pyright: ignore[reportArgumentType]
        return type(self), tuple(getattr(self, name) for name in made_of)
