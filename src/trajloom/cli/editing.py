"""What the commands share that make a dataset out of others: open, change, say what is lost, write, print where."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import typer

from trajloom.cli import console

if TYPE_CHECKING:
    from trajloom.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class Way:
    """How datasets are read and written."""

    on_error: Literal["raise", "skip"] = "raise"
    read_as: str | None = None
    """Format of the inputs; None looks."""
    read_options: Mapping[str, Any] = field(default_factory=dict)
    to: str | None = None
    """Format of the output; None goes by its suffix."""
    write_options: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
    overwrite: bool = False


def make(inputs: Sequence[str], out: str, words: str, change: "Callable[[list[Dataset]], Dataset]", way: Way) -> None:
    """Open datasets, write what is made of them, and print where; notes and the progress bar go to standard error."""
    from trajloom.dataset import format_of, read

    with console.warnings_in_words(), console.episodes_bar(words) as progress:
        opened = [read(path, on_error=way.on_error, format=way.read_as, **way.read_options) for path in inputs]
        made = change(opened)
        to, more = way.to or format_of(out), way.write_options
        if not way.strict:
            _say_losses(made, to, more)
        made.write(out, to=to, strict=way.strict, overwrite=way.overwrite, progress=progress, **more)
    print(out)


def _say_losses(made: "Dataset", to: str, options: Mapping[str, Any]) -> None:
    for loss in made.losses(to, **options):
        kept = "it is kept aside in the output, and reading that restores it" if loss.kept_aside else "it is lost"
        console.note(f"{to} cannot hold everything: {loss.what}; {kept}")


def pairs(words: Sequence[str] | None, option: str, taken: Sequence[str] = ()) -> dict[str, str]:
    """Words like NAME=VALUE of an option that may come several times; `taken` are names that are flags already."""
    found: dict[str, str] = {}
    for word in words or ():
        name, sign, value = word.partition("=")
        if not (name and sign):
            raise typer.BadParameter(f"{option} takes NAME=VALUE, got {word!r}")
        if name in found:
            raise typer.BadParameter(f"{option} names {name!r} twice")
        if name in taken:
            raise typer.BadParameter(f"{option} {name}: that is no setting of a format but a flag or an argument")
        found[name] = value
    return found
