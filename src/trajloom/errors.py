"""What can go wrong, each also the builtin that a caller would catch.

A message says what was asked, what was found and what there is instead.
"""

from collections.abc import Iterable


class TrajloomError(Exception):
    """Base of every error that Trajloom raises on purpose."""


class TrajloomWarning(UserWarning):
    """Something odd in a file, which was read and kept all the same."""


class UnknownNameError(TrajloomError, LookupError):
    """A name (format, task, strategy, ...) that nothing is registered under."""

    def __init__(self, kind: str, name: object, known: Iterable[str]):
        super().__init__(kind, name, tuple(sorted(known)))

    def __str__(self) -> str:
        kind, name, known = self.args
        return f"no {kind} named {name!r}; there are: {', '.join(known) or 'none'}"


class SchemaError(TrajloomError, ValueError):
    """A table, header, settings file or array whose contents are not what they must be."""


class ShapeError(TrajloomError, ValueError):
    """An array of the wrong shape."""


class LayoutError(TrajloomError, ValueError):
    """A file that is none of the layouts we read."""


class DamagedFileError(TrajloomError, OSError):
    """A file whose layout we know but whose content is cut short, missing or not finite."""


class HostileFileError(TrajloomError, ValueError):
    """A file that asks for more than its data: an external link, a path, a pickle."""


class OutputExistsError(TrajloomError, FileExistsError):
    """An output that is already there; nothing was overwritten."""


class SettingsError(TrajloomError, ValueError):
    """Settings that contradict each other, or the run that an output already holds."""


class LossError(TrajloomError, ValueError):
    """A conversion that was asked to be strict, into a format that cannot hold everything."""


class SourceError(TrajloomError, ValueError):
    """Demonstrations that cannot serve as sources for the task asked for."""


class RunError(TrajloomError, RuntimeError):
    """A run that stopped before it had what was asked of it."""


class MissingExtraError(TrajloomError, ImportError):
    """A part of Trajloom whose libraries are not installed."""

    def __init__(self, what: str, extra: str, cause: str):
        super().__init__(what, extra, cause)

    def __str__(self) -> str:
        what, extra, cause = self.args
        return f"{what} needs trajloom[{extra}]: {cause}; install it with: pip install 'trajloom[{extra}]'"
