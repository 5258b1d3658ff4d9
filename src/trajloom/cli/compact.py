"""`trajloom compact`: a finished dataset of small parts into one of large ones."""

from typing import Annotated

import typer


def compact(
    path: Annotated[str, typer.Argument(help="A dataset of ours.")],
    out: Annotated[str | None, typer.Option(help="Write it here instead of in place.")] = None,
) -> None:
    """Rewrite small parts into parts of about 128 MB, same rows. Ends a generated dataset: it cannot be extended then.

    Example: trajloom compact out/
    """
    from trajloom.store import compact as run

    run(path, out)
    print(out or path)
