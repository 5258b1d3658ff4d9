"""What every built-in augmentation must do, found by its name."""

import contextlib
import inspect
import pickle
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import scenes
from scenes import applied, batch_of, source
from trajloom import augment, schema
from trajloom.augmentation import Augmentation
from trajloom.batch import Batch
from trajloom.dataset import Dataset
from trajloom.errors import SettingsError, TrajloomError, UnknownNameError
from trajloom.seeding import rng_for

SETTINGS = {
    "action_noise": "sigma=0.1,relabel=true",
    "balance": "by=success",
    "crop": "height=6,width=7",
    "filter": "where=length > 1",
    "goal": "strategy=future,steps_to_go=true",
    "mirror": "probability=0.5",
    "observation_noise": "columns=obs/*,sigma=0.1,kind=correlated",
    "outliers": "sigmas=2.5,length_sigmas=1",
    "random_windows": "length=3,count=2",
    "resample": "hz=15",
    "sensor_dropout": "columns=obs/*,probability=0.5,fill=null,mark=true",
    "subsample": "every=2",
    "time_warp": "stretch=0.5+2",
}
"""Settings to test with, where the defaults say too little."""

LENGTHS = (6, 0, 1, 9, 2)
BATCHES = [name for name in augment.names() if augment.get(name).apply._aug_type == "batch"]  # type: ignore


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two pictures."""
    image = pytest.importorskip("PIL.Image")
    place = tmp_path_factory.mktemp("pictures")
    for at in range(2):
        image.fromarray(np.full((4, 4, 3), 40 + 100 * at, np.uint8)).save(place / f"{at}.png")
    return place


@pytest.fixture(params=BATCHES, scope="module")
def made(request, folder) -> Augmentation:
    """One of the augmentations, fitted."""
    name = request.param
    settings = f"folder={folder}" if name == "background" else SETTINGS.get(name, "")
    found = augment.parse(f"{name}:{settings}")
    return found.fit(Dataset(source(LENGTHS)), rng_for(0, "fit"))


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Episodes of many, of no, and of one step; some lack a column."""
    return batch_of(LENGTHS)


@pytest.fixture(scope="module")
def new(made, batch) -> Batch:
    """What it makes of the batch."""
    return applied(made, batch)


def rows(batch: Batch) -> dict[int, tuple]:
    """Episode -> its row and its steps."""
    steps = batch.steps.to_pylist()
    cuts = batch.starts
    return {
        row["episode_index"]: (row, steps[cuts[at] : cuts[at + 1]]) for at, row in enumerate(batch.episodes.to_pylist())
    }


@pytest.mark.parametrize("name", augment.names())
def test_it_is_found_by_its_name_and_says_what_it_does(name):
    found = augment.get(name)
    assert issubclass(found, Augmentation)
    assert (inspect.getdoc(found) or "").strip()
    assert (inspect.getdoc(sys.modules[found.__module__]) or "").strip()
    assert getattr(augment, found.__name__) is found


@pytest.mark.parametrize("name", BATCHES)
def test_its_settings_are_a_frozen_dataclass_named_like_its_file(name):
    found = augment.get(name)
    assert is_dataclass(found)
    assert found.__name__.lower() == name.replace("_", "")
    assert found.__dataclass_params__.frozen  # type: ignore[attr-defined]
    text = "\n".join(inspect.getsource(kind) for kind in found.__mro__ if is_dataclass(kind))
    assert all('"""' in text.split(f"    {field.name}: ")[1].split("\n\n")[0] for field in fields(found))


def test_what_it_makes_is_what_its_header_says(made, batch, new):
    assert new.header == made.header(batch.header)
    schema.check(new.steps, new.header.steps_schema)
    schema.check(new.episodes, new.header.episodes_schema)
    assert new.steps.num_rows == new.lengths.sum()
    assert new.steps.column("episode_index").to_pylist() == new.episode_index[new.position].tolist()
    assert (np.diff(new.episode_index) > 0).all()
    assert len(set(new.episodes.column("name").to_pylist())) == new.episodes.num_rows


def test_an_episode_becomes_the_same_whatever_batch_it_is_in(made, batch, new):
    together = rows(new)
    apart: dict[int, tuple] = {}
    for at in range(batch.episodes.num_rows):
        apart |= rows(applied(made, batch.take_episodes(np.array([at]))))
    assert apart.keys() == together.keys()
    for index, (row, steps) in together.items():
        assert repr(apart[index][0]) == repr(row)
        assert repr(apart[index][1]) == repr(steps)  # repr: NaN equals NaN, and floats to the bit


def test_the_same_seed_gives_the_same(made, batch, new):
    again = applied(made, batch)
    assert again.steps.equals(new.steps)
    assert again.episodes.equals(new.episodes)


def test_it_goes_to_workers_and_back(made, batch, new):
    assert applied(pickle.loads(pickle.dumps(made)), batch).steps.equals(new.steps)


def test_no_episode_at_all_stays_none(made, batch):
    none = applied(made, batch.take_episodes(np.array([], dtype=np.int64)))
    assert none.header == made.header(batch.header)
    schema.check(none.steps, none.header.steps_schema)
    assert none.episodes.num_rows == 0


def test_what_it_cannot_work_on_is_refused_by_an_error_of_ours(made):
    bare = scenes.HEADER.with_(steps=scenes.HEADER.steps[1:2], env_args=None)
    with contextlib.suppress(TrajloomError):
        assert applied(made, batch_of((3,), bare)).header == made.header(bare)


def test_unknown_augmentations_and_settings_are_named_with_those_there_are():
    with pytest.raises(UnknownNameError, match=r"no augmentation named 'wobble'; there are: action_.*, shift"):
        augment.parse("wobble")
    with pytest.raises(UnknownNameError, match=r"no setting of shift named 'pixel'; there are: .*pixels"):
        augment.parse("shift:pixel=3")
    with pytest.raises(SettingsError, match=r"shift: pixels must be a whole number, got 'far'"):
        augment.parse("shift:pixels=far")
    with pytest.raises(SettingsError, match=r"crop needs height, width: crop:height=\.\.\.,width=\.\.\."):
        augment.parse("crop")
    with pytest.raises(SettingsError, match="given twice"):
        augment.parse("shift:pixels=1,pixels=2")
    with pytest.raises(AttributeError, match="ActionNoise"):
        augment.Wobble  # type: ignore[attr-defined]  # noqa: B018


def test_text_says_every_kind_of_setting():
    noise = augment.parse("action_noise:sigma=0.1,gripper=6+7,limits=-1+1,relabel=no,kind=uniform,columns=actions+act*")
    assert noise == augment.ActionNoise(
        sigma=0.1, gripper=(6, 7), limits=(-1.0, 1.0), kind="uniform", columns=("actions", "act*")
    )
    scene = augment.parse("scene_transform:layouts.obs/state=position+xyzw,layouts.obs/x*=same3,unknown=drop")
    assert scene == augment.SceneTransform(layouts={"obs/state": "position+xyzw", "obs/x*": "same3"}, unknown="drop")
    assert augment.parse("action_noise:sigma=1,gripper=none") == augment.ActionNoise(sigma=1)
    assert augment.parse("filter:where=name in ('a', 'b')").where == "name in ('a', 'b')"  # type: ignore[attr-defined]
    assert augment.parse("action_noise:sigma=1,gripper=") == augment.ActionNoise(sigma=1, gripper=())


def test_a_copy_with_other_settings_is_checked_too():
    with pytest.raises(SettingsError, match="sigma must be >= 0, got -1"):
        replace(augment.ActionNoise(sigma=1), sigma=-1)
