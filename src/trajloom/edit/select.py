"""Some episodes and some columns of a dataset, and other names for columns."""

from collections.abc import Iterable, Mapping

from trajloom.edit import columns as over_columns
from trajloom.edit import episodes as over_episodes
from trajloom.edit.episodes import Wanted
from trajloom.formats import Source


def select(
    source: Source,
    *,
    episodes: Wanted | None = None,
    split: str | None = None,
    where: str | None = None,
    columns: str | Iterable[str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> Source:
    """Choose episodes (those that fulfil all that is asked of them), then columns, then name columns anew.

    Chosen episodes keep `episode_index` and `name`. What becomes of splits, models and attempts where episodes are
    dropped, `edit.episodes.keep` says; what becomes of `rest` and attributes where columns are, `edit.columns.keep`.

    Args:
        source: The dataset.
        episodes: Numbers and ranges of `episode_index`, and names: "0-3,7,demo_9", or a list of numbers and names.
        split: A split (robomimic's filter key) that they are in.
        where: An SQL expression over the table `episodes`: "success and length > 50". Where it is null, it does not
            hold.
        columns: Columns of steps and of episodes to keep, by name or shell pattern, whose `*` also stands for
            slashes: "actions", "obs/*"; "obs/" is the same. Our own columns always stay.
        rename: Old name -> new name, of columns that are kept, or of groups: {"obs/a/": "obs/b/"}.

    Raises:
        UnknownNameError: An episode, split, column or column of `where` is not there, with those that are.
        SettingsError: `where` is no condition, or two columns would have one name.
    """
    if not (episodes is None and split is None and where is None):
        source = _some_episodes(source, episodes, split, where)
    if columns is not None:
        source = over_columns.keep(source, [columns] if isinstance(columns, str) else columns)
    return over_columns.rename(source, rename) if rename else source


def _some_episodes(source: Source, episodes: Wanted | None, split: str | None, where: str | None) -> Source:
    condition = None if where is None else over_episodes.expression(where, source.header)
    there = over_episodes.listing(source, () if condition is None else condition.meta.root_names())
    masks = []
    if episodes is not None:
        masks.append(over_episodes.chosen(there, episodes))
    if split is not None:
        masks.append(over_episodes.of_split(there, split))
    if condition is not None:
        masks.append(over_episodes.fulfilling(there, condition, where or "", source.header))
    mask = masks[0]
    for another in masks[1:]:
        mask = mask & another
    return over_episodes.keep(source, there, mask)
