"""Images of another size."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from in_memory import HEADER, MemoryEpisode, MemorySource, source
from trajloom.dataset import Dataset, read
from trajloom.edit.images import image_of
from trajloom.edit.resize import BATCH_BYTES, area, nearest, resize
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.schema import Column, check

IMAGES = Path(__file__).parents[2] / "shared" / "data" / "robomimic_lift_ph3_image.hdf5"

sides = st.integers(1, 12)


def one(name: str, values: np.ndarray, **header) -> MemorySource:
    """An episode of one column."""
    column = Column(name=name, dtype=str(values.dtype), shape=values.shape[1:])
    row = {"episode_index": 0, "name": "demo_0", "length": len(values), "attrs": "{}"}
    made = HEADER.with_(steps=(column,), episodes=(), **header)
    return MemorySource(made, [MemoryEpisode(row, {name: values})])


def of(source, name: str) -> np.ndarray:
    return next(Dataset(source).iter_episodes([name])).columns[name]


def image(height: int, width: int, channels: tuple[int, ...] = (3,), frames: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (frames, height, width, *channels), dtype=np.uint8)


# ---- which columns ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "kind"),
    [
        ("obs/agentview_image", "uint8", (84, 84, 3), "color"),
        ("obs/gray", "uint8", (84, 84), "color"),
        ("obs/gray", "uint8", (84, 84, 1), "color"),
        ("obs/channels_first", "uint8", (3, 84, 84), None),
        ("obs/agentview_depth", "float32", (84, 84, 1), "depth"),
        ("obs/depth", "uint16", (84, 84), "depth"),
        ("obs/front_segmentation_instance", "int32", (84, 84, 1), "labels"),
        ("obs/hand_mask", "uint8", (84, 84), "labels"),
        ("obs/pose", "float64", (4, 4), None),
        ("obs/depth", "float32", (3,), None),
        ("obs/masked_image", "uint8", (8, 8, 3), "color"),
    ],
)
def test_which_columns_hold_images_and_of_what(name, dtype, shape, kind):
    assert image_of(Column(name=name, dtype=dtype, shape=shape)) == kind


def test_only_images_change():
    plain = source((3, 2))
    small = resize(plain, 2, 3)
    assert small.header.column("obs/image").shape == (2, 3, 3)
    for was, now in zip(Dataset(plain).iter_episodes(), Dataset(small).iter_episodes(), strict=True):
        assert now.columns["obs/image"].shape == (len(was.columns["actions"]), 2, 3, 3)
        assert {n for n, v in now.columns.items() if v.tobytes() != was.columns[n].tobytes()} == {"obs/image"}
        assert now.row.keys() == was.row.keys()
    for part in small.parts():
        for batch in part.steps():
            check(batch, small.header.steps_schema)
        assert next(iter(part.steps(["actions"]))).schema.names == ["actions"]


def test_a_column_can_be_named_also_one_that_is_not_known_for_an_image():
    plain = source((2,))
    assert resize(plain, 2, 2, columns=["obs/pose"]).header.column("obs/image").shape == (4, 5, 3)
    taken = of(resize(plain, 2, 2, columns=["obs/pose"]), "obs/pose")
    np.testing.assert_array_equal(taken, of(plain, "obs/pose")[:, 1::2, 1::2])


# ---- pixels ----------------------------------------------------------------------------------------------------


@given(sides, sides, sides, sides)
def test_every_nearest_pixel_was_there_and_in_its_order(height, width, new_height, new_width):
    there = np.arange(height * width).reshape(1, height, width)
    found = nearest(there, new_height, new_width)[0]
    assert found.shape == (new_height, new_width)
    rows, cols = found // width, found % width
    assert (np.diff(rows, axis=0) >= 0).all()
    assert (np.diff(cols, axis=1) >= 0).all()
    middle = (np.arange(new_height) + 0.5) * height / new_height
    assert (np.abs(rows[:, 0] + 0.5 - middle) <= 0.5 + 1e-9).all()


@pytest.mark.parametrize("method", ["area", "bilinear", "nearest"])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_the_same_size_is_the_same_image_and_a_flat_one_stays_flat(method, channels):
    pytest.importorskip("PIL", reason="Pillow comes with trajloom[lerobot]")
    there = image(5, 7, channels)
    np.testing.assert_array_equal(of(resize(one("image", there), 5, 7, method=method), "image"), there)
    flat = of(resize(one("image", np.full_like(there, 77)), 3, 11, method=method), "image")
    assert flat.shape == (2, 3, 11, *channels)
    assert (flat == 77).all()


@given(sides, sides, sides, sides)
def test_an_area_is_the_average_of_what_it_covers(height, width, new_height, new_width):
    """Against images that are enlarged until every new pixel covers whole ones."""
    there = image(height, width, frames=1)
    fine = there.repeat(new_height, axis=1).repeat(new_width, axis=2).astype(float)
    means = fine.reshape(1, new_height, height, new_width, width, 3).mean(axis=(2, 4))
    found = area(there, new_height, new_width)
    assert np.abs(found - means).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("name", ["obs/depth", "obs/segmentation_class"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [(), (1,)])
def test_depth_and_labels_are_never_mixed(name, dtype, channels):
    there = np.random.default_rng(0).choice([0, 9, 200], (3, 9, 9, *channels)).astype(dtype)
    for size in (4, 20):
        found = of(resize(one(name, there), size, size, method="bilinear"), name)
        assert found.dtype == dtype
        assert set(np.unique(found)) <= {0, 9, 200}


def test_absent_images_stay_absent():
    column = Column(name="image", dtype="uint8", shape=(4, 4, 3), nullable=True)
    row = {"name": "demo", "length": 2, "attrs": "{}"}
    extra = Column(name="x", dtype="float64")
    members = [
        MemoryEpisode({**row, "episode_index": i}, {"x": np.zeros(2), **({"image": image(4, 4)} if i % 2 else {})})
        for i in range(3)
    ]
    plain = MemorySource(HEADER.with_(steps=(column, extra), episodes=()), members, episodes_per_part=9)
    new = resize(plain, 2, 2)
    mixed = pa.concat_tables(pa.Table.from_batches([b]) for b in plain.parts()[0].steps()).combine_chunks()
    part = new.parts()[0]
    object.__setattr__(
        part.part, "steps", lambda columns=None: mixed.select(columns or mixed.schema.names).to_batches()
    )
    table = pa.Table.from_batches(part.steps())
    assert table.column("image").is_null().to_pylist() == [True, True, False, False, True, True]
    there = table.slice(2, 2)
    np.testing.assert_array_equal(
        np.array([np.frombuffer(b, np.uint8) for b in there.column("image").to_pylist()]).reshape(2, 2, 2, 3),
        of(resize(one("image", image(4, 4)), 2, 2), "image"),
    )


def test_batches_stay_small_however_large_the_new_images_are():
    plain = one("mask", np.arange(8, dtype=np.uint8)[:, None, None] + np.zeros((1, 2, 2), dtype=np.uint8))
    batches = list(resize(plain, 2048, 2048).parts()[0].steps())
    assert max(batch.nbytes for batch in batches) <= BATCH_BYTES + 1000
    assert sum(batch.num_rows for batch in batches) == 8


# ---- what follows ----------------------------------------------------------------------------------------------


def test_layout_and_environment_follow_and_intrinsics_are_warned_of():
    layout = {"format": "hdf5", "columns": {"image": {"chunks": [1, 4, 4, 3]}, "actions": {"chunks": "guess"}}}
    kwargs = {"camera_heights": 4, "camera_widths": 4, "camera_names": ["front"]}
    plain = one("image", image(4, 4), layout=layout, env_args={"type": 1, "env_kwargs": kwargs})
    header = resize(plain, 2, 6, method="nearest").header
    assert header.layout == {"format": "hdf5", "columns": {"actions": {"chunks": "guess"}}}
    assert header.env_args is not None
    assert header.env_args["env_kwargs"] == {**kwargs, "camera_heights": 2, "camera_widths": 6}
    assert "camera intrinsics were not adjusted" in header.warnings[-1]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"height": 0}, SettingsError, "from 1 to 16384 pixels, got 0 x 2"),
        ({"height": 20000}, SettingsError, "got 20000 x 2"),
        ({"method": "cubic"}, UnknownNameError, "area, bilinear, nearest"),
        ({"columns": ["obs/view"]}, UnknownNameError, "no column of images named 'obs/view'; there are: obs/image"),
        ({"columns": ["actions"]}, SettingsError, r"actions has shape \(3,\)"),
    ],
)
def test_what_is_no_image_or_size_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        resize(source(), **{"height": 2, "width": 2, **settings})


def test_a_dataset_without_images_says_what_it_has():
    with pytest.raises(SettingsError, match=r"no column holds images; there are: x float64 \(\)"):
        resize(one("x", np.zeros(3)), 2, 2)


def test_without_pillow_it_says_what_to_install():
    code = (
        "import sys; sys.modules['PIL'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from in_memory import source; from trajloom.edit.resize import resize\n"
        "resize(source(), 2, 2)\n"
        "try: resize(source(), 2, 2, method='bilinear')\n"
        "except ImportError as error: print(error)"
    )
    here = str(Path(__file__).parent)
    said = subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, check=True).stdout
    assert "pip install 'trajloom[lerobot]'" in said


@pytest.mark.shared_data
def test_real_images_are_written_at_their_new_size(tmp_path):
    if not IMAGES.exists():
        pytest.skip(f"{IMAGES} is absent")
    data = read(IMAGES)
    data.resize(24, 32).write(tmp_path / "small.hdf5")
    back = read(tmp_path / "small.hdf5")
    names = [column.name for column in back.header.steps if image_of(column)]
    assert {back.header.column(name).shape for name in names} == {(24, 32, 3)}
    was, now = (next(one.iter_episodes([names[0], "actions"])).columns for one in (data, back))
    np.testing.assert_array_equal(now["actions"], was["actions"])
    assert now[names[0]].mean() == pytest.approx(was[names[0]].mean(), abs=0.5)


def test_a_part_can_be_sent_to_another_process():
    part = resize(source((2,)), 2, 2, method="nearest").parts()[0]
    wanted = pa.Table.from_batches(part.steps())
    assert pa.Table.from_batches(pickle.loads(pickle.dumps(part)).steps()).equals(wanted)


def test_it_is_a_command(tmp_path):
    from typer.testing import CliRunner

    from trajloom.cli.main import typer_app

    Dataset(source((2,))).write(tmp_path / "in")
    words = ["resize", str(tmp_path / "in"), str(tmp_path / "out.hdf5"), "--height", "3", "--width", "2"]
    done = CliRunner().invoke(typer_app, [*words, "--column", "obs/image", "--method", "nearest"])
    assert done.stdout == f"{tmp_path / 'out.hdf5'}\n"
    assert read(tmp_path / "out.hdf5").header.column("obs/image").shape == (3, 2, 3)
