"""`trajloom`: puts the commands together and turns our own errors into one line on standard error."""

import sys

import typer

from trajloom.cli.actions import actions
from trajloom.cli.annotate import annotate
from trajloom.cli.augment import augment
from trajloom.cli.cache import commands as cache_commands
from trajloom.cli.compact import compact
from trajloom.cli.convert import convert
from trajloom.cli.diff import diff
from trajloom.cli.doctor import doctor
from trajloom.cli.drop_columns import drop_columns
from trajloom.cli.expert import expert
from trajloom.cli.generate import generate
from trajloom.cli.info import info
from trajloom.cli.merge import merge
from trajloom.cli.report import report
from trajloom.cli.resample import resample
from trajloom.cli.resize import resize
from trajloom.cli.slice import slice
from trajloom.cli.split import split
from trajloom.cli.sql import sql
from trajloom.cli.stats import stats
from trajloom.errors import TrajloomError

typer_app = typer.Typer(
    name="trajloom",
    help="Turn a handful of robot demonstrations into thousands of verified ones, keep them as columns, convert them.",
    epilog="Start with: trajloom annotate demos.hdf5 annotated.hdf5 --task lift, "
    "then: trajloom generate annotated.hdf5 out/ --task lift --successes 100",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = (
    annotate, generate, expert, augment, convert, merge, split, slice, drop_columns, resample, resize,
    actions, info, stats, sql, report, diff, doctor, compact,
)  # fmt: skip
for command in COMMANDS:
    typer_app.command(command.__name__.replace("_", "-"))(command)
typer_app.add_typer(cache_commands, name="cache")


@typer_app.callback(invoke_without_command=True)
def version(
    show: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if show:
        from trajloom import __version__

        print(__version__)
        raise typer.Exit


def app() -> None:
    """Run the command line; errors of ours end it with one line and exit status 1."""
    try:
        typer_app()
    except TrajloomError as error:
        print(f"trajloom: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    app()
