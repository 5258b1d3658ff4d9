"""`trajloom doctor`: what is wrong with a dataset."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trajloom.cli import console, options

if TYPE_CHECKING:
    from trajloom.check import Diagnosis, Finding


def doctor(
    path: Annotated[str, typer.Argument(help="A dataset in any format.")],
    fix: Annotated[
        str | None, typer.Option(help="Write a copy with what can be set right safely; its suffix says the format.")
    ] = None,
    clip_actions: Annotated[
        bool, typer.Option("--clip-actions", help="With --fix: clip actions where robosuite's controllers do.")
    ] = False,
    retime: Annotated[
        bool, typer.Option("--retime", help="With --fix: compute time from control_hz where it does not rise.")
    ] = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Look for damage, NaN, wrong counts, broken time, duplicates, leaking splits and more; nothing is changed.

    Exit status: 0 where there is no error, 1 where there is one, also where --fix could set it right.

    Example: trajloom doctor demos.hdf5     trajloom doctor demos.hdf5 --fix better.hdf5 --clip-actions
    """
    from trajloom.check import doctor as run

    if fix is None and (clip_actions or retime or overwrite):
        raise typer.BadParameter("--clip-actions, --retime and --overwrite are for a copy: say --fix OUT too")
    with console.episodes_bar("examining") as progress:
        found = run(path, fix=fix, clip_actions=clip_actions, retime=retime, overwrite=overwrite, progress=progress)
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        _print(found)
    if not found.healthy:
        raise typer.Exit(1)


def _print(found: "Diagnosis") -> None:
    _table(f"findings in {found.path}", found.findings)
    counts = ", ".join(f"{found.count(kind)} {kind}s" for kind in ("error", "warning"))
    what = f"{found.format}, {found.episodes} episodes, {found.steps} steps"
    print(f"{counts}, {found.count('info')} notes ({what})")
    if found.fixed is not None:
        print()
        for said in found.fixed.done or ["nothing to set right"]:
            print(said)
        _table(f"left in {found.fixed.path}", [one for one in found.fixed.left if one.severity != "info"])
        print(found.fixed.path)


def _table(title: str, findings: "Sequence[Finding]") -> None:
    import polars as pl

    rows = [
        {
            "severity": one.severity,
            "code": one.code,
            "column": one.column,
            "first at": " ".join(filter(None, [one.episode, None if one.frame is None else f"frame {one.frame}"])),
            "what": one.what,
            "fixable": "yes" if one.fixable else "",
        }
        for one in findings
    ]
    if rows:
        console.frame(title, pl.DataFrame(rows, infer_schema_length=None))
