"""`trajloom augment`: augmentations one after the other over a whole dataset."""

import inspect
from typing import Annotated

import typer

from trajloom.cli import console, options


def _list(asked: bool) -> None:
    """Print the augmentations with their settings, and leave."""
    if not asked:
        return
    from trajloom.augment import get, names, settings

    for name in names():
        what = (inspect.getdoc(get(name)) or "").split("\n\n")[0].replace("\n", " ")
        print(f"{name}: {what}")
        for setting in settings(name).values():
            default = "needed" if setting.needed else f"{_text(setting.default)} unless given"
            print(f"    {setting.name}: {setting.words}; {default}")
    raise typer.Exit


def _text(value: object) -> str:
    """A default as it would be given."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


def augment(
    source: Annotated[str, typer.Argument(help="A dataset in any format.")],
    out: Annotated[str, typer.Argument(help="File or folder to write; its suffix says the format.")],
    add: Annotated[
        list[str],
        typer.Option(help="NAME or NAME:SETTING=VALUE,... of an augmentation; the next one comes after it. --list."),
    ],
    seed: options.Seed = 0,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would be done, and do nothing.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one for every core.")] = None,
    scheduler: options.Scheduler = None,
    scratch: options.Scratch = None,
    to: options.To = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
    listed: Annotated[
        bool,
        typer.Option("--list", callback=_list, is_eager=True, help="Print all augmentations with their settings."),
    ] = False,
) -> None:
    """Augment a dataset: noise, other speeds, mirrored or moved scenes, changed images, chosen episodes, goals.

    The same seed gives the same bytes on any number of workers. A value of several parts has them between plus signs.

    Example: trajloom augment demos.hdf5 more/ --add action_noise:sigma=0.05 --add crop:height=76,width=76 --seed 7
    """
    from trajloom.augment import parse
    from trajloom.dataset import read
    from trajloom.pipeline import Pipeline

    steps = [parse(text) for text in add]
    with console.warnings_in_words(), console.episodes_bar("augmenting") as progress:
        pipeline = Pipeline(scheduler, seed=seed, scratch=scratch, workers=workers)
        for step in steps:
            pipeline.add(step)
        result = pipeline.run(read(source, on_error=options.on_error(on_error)))
        if not plan:
            result.write(out, to=to, overwrite=overwrite, progress=progress)
    print(result.plan if plan else out)
