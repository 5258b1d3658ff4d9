"""Images: what is cut, moved, coloured, blurred and covered; all frames and all images of a camera alike."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

import scenes
from scenes import applied, batch_of
from trajloom.augment import Background, Blur, ColorJitter, Crop, Cutout, ImageNoise, Shift
from trajloom.augment._images import Images, OnCameras, OnImages, camera_of
from trajloom.augment.color_jitter import LUMA, colour_matrix
from trajloom.augment.image_noise import rounded_normal
from trajloom.batch import Batch
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.schema import Column, Header

IMAGE, MASK = "obs/agentview_image", "obs/agentview_mask"
LAYOUT = scenes.HEADER.steps[7:9]


def filmed(image: np.ndarray, lengths=(3,), **more: np.ndarray) -> Batch:
    """Episodes whose every frame is this image (H, W, ...) of agentview, and these of other columns."""
    pictures = {IMAGE: image, **{f"obs/{name}": values for name, values in more.items()}}
    columns = tuple(Column(name=name, dtype=str(one.dtype), shape=one.shape) for name, one in pictures.items())
    header = Header(steps=columns, control_hz=20.0)
    members = [
        scenes.MemoryEpisode(
            scenes.episode(i, n).row, {name: np.repeat(one[None], n, 0) for name, one in pictures.items()}
        )
        for i, n in enumerate(lengths)
    ]
    return Batch.of(scenes.MemorySource(header, members, episodes_per_part=len(members)).parts()[0], header)


def ramp(height=12, width=16) -> np.ndarray:
    """An image of which every pixel is another colour."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 10, columns * 10, rows * 0 + 77], axis=-1).astype(np.uint8)


def test_frames_of_an_episode_are_changed_alike_and_episodes_are_not():
    batch = filmed(ramp(), (3,) * 8)
    for one in (Crop(height=6, width=6), Shift(), ColorJitter(), Blur(), Cutout()):
        frames = applied(one, batch).array(IMAGE).reshape(8, 3, -1)
        assert (frames == frames[:, :1]).all(), one
        assert len({bytes(episode[0]) for episode in frames}) > 2, one
    for one in (Crop(height=6, width=6, each_frame=True), Shift(each_frame=True), Cutout(each_frame=True)):
        frames = applied(one, batch).array(IMAGE).reshape(8, 3, -1)
        assert (frames != frames[:, :1]).any(), one


class Negative(OnImages):
    def changed(self, images: Images) -> np.ndarray:
        return 255 - images.frames


class Dark(OnCameras):
    def changed(self, images: Images) -> np.ndarray:
        return (images.frames * images.unit(1, self.each_frame)[:, :, None, None]).astype(np.uint8)


def test_an_augmentation_of_images_is_one_method():
    batch = filmed(ramp(), (2, 3), side_image=ramp())
    np.testing.assert_array_equal(applied(Negative(), batch).array(IMAGE)[4], 255 - ramp())
    one = applied(Negative(columns=("obs/side*",)), batch)
    assert (one.array(IMAGE) == ramp()).all()
    with pytest.raises(SettingsError, match="colour images"):
        Negative(columns=("obs/agentview_image",)).header(filmed(ramp().astype(np.float32)).header)
    for each_frame, frames in ((False, 2), (True, 5)):
        dark = applied(Dark(each_frame=each_frame), batch)
        assert len({bytes(one) for one in dark.array(IMAGE)}) == frames
        assert (dark.array(IMAGE) != dark.array("obs/side_image")).any()


def test_images_of_one_camera_are_cut_and_moved_together_and_cameras_apart():
    more = {"agentview_depth": (ramp()[..., :1] / 255).astype(np.float32), "side_image": ramp()}
    batch = filmed(ramp(), (1,) * 12, **more)
    for one in (Crop(height=5, width=5), Shift()):
        new = applied(one, batch)
        red = new.array(IMAGE)[..., :1]
        np.testing.assert_array_equal(red, np.rint(new.array("obs/agentview_depth") * 255).astype(np.uint8))
        assert (new.array("obs/side_image") != new.array(IMAGE)).any()
    paths = ("obs/agentview_image", "next_obs/agentview_segmentation_instance", "obs/image", "obs/left_wrist_depth")
    found = [camera_of(Column(name=path, dtype="uint8", shape=(4, 4))) for path in paths]
    assert found == ["agentview", "agentview", "image", "left_wrist"]


def test_a_crop_is_a_part_of_the_image():
    image = ramp()
    new = applied(Crop(height=5, width=7), filmed(image, (1,) * 20))
    found = new.array(IMAGE)
    assert new.header.column(IMAGE).shape == (5, 7, 3)
    for one in found:
        top, left = one[0, 0, 0] // 10, one[0, 0, 1] // 10
        np.testing.assert_array_equal(one, image[top : top + 5, left : left + 7])
    tops = {int(one[0, 0, 0]) // 10 for one in found}
    assert min(tops) == 0
    assert max(tops) == 7
    middle = applied(Crop(height=4, width=4, where="center"), filmed(image)).array(IMAGE)
    np.testing.assert_array_equal(middle[0], image[4:8, 6:10])


def test_a_crop_can_keep_the_images_size():
    pytest.importorskip("PIL")
    image = ramp()
    for method in ("area", "bilinear", "nearest"):
        new = applied(Crop(height=6, width=8, where="center", then="resize", method=method), filmed(image))  # type: ignore[arg-type]
        assert new.header.column(IMAGE).shape == (12, 16, 3)
        assert abs(float(new.array(IMAGE)[0, :, :, 0].mean()) - image[3:9, :, 0].mean()) < 1
    padded = applied(Crop(height=6, width=8, where="center", then="pad"), filmed(image)).array(IMAGE)[0]
    np.testing.assert_array_equal(padded[3:9, 4:12], image[3:9, 4:12])
    assert padded.sum() == image[3:9, 4:12].sum()
    with pytest.raises(SettingsError, match=r"13 x 5 cannot be cut out of obs/agentview_image \(12, 16\)"):
        Crop(height=13, width=5).header(filmed(image).header)


def test_a_shift_repeats_the_border_and_goes_no_farther_than_asked():
    image = ramp()
    found = applied(Shift(pixels=2), filmed(image, (1,) * 60)).array(IMAGE)
    ways = set()
    for one in found:
        down, right = (5 - int(value) // 10 for value in one[5, 5, :2])
        ways.add((int(down), int(right)))
        rows, columns = np.clip(np.arange(12) - down, 0, 11), np.clip(np.arange(16) - right, 0, 15)
        np.testing.assert_array_equal(one, image[rows[:, None], columns])
    assert {down for down, _ in ways} == {right for _, right in ways} == {-2, -1, 0, 1, 2}
    batch = batch_of((3,))
    assert applied(Shift(pixels=0), batch).steps.equals(batch.steps)


def test_jitter_of_no_strength_changes_nothing():
    batch = batch_of((3, 2))
    assert applied(ColorJitter(brightness=0, contrast=0, saturation=0, hue=0), batch).steps.equals(batch.steps)


def test_each_jitter_changes_what_it_says_and_nothing_else():
    image = np.random.default_rng(0).integers(60, 150, (12, 16, 3)).astype(np.uint8)
    off = ColorJitter(brightness=0, contrast=0, saturation=0, hue=0)
    old = image.astype(np.float64)

    def jittered(**on: float) -> np.ndarray:
        new = applied(replace(off, **on), filmed(image, (1,))).array(IMAGE)[0].astype(np.float64)
        assert np.abs(new - old).max() > 3
        return new

    ratio = jittered(brightness=0.4) / old
    assert ratio.std() < 0.01
    flat = jittered(contrast=0.4)
    assert abs((flat @ LUMA).mean() - (old @ LUMA).mean()) < 0.5
    assert np.corrcoef(flat.ravel(), old.ravel())[0, 1] > 0.999
    for same in (jittered(saturation=0.4), jittered(hue=0.3)):
        np.testing.assert_allclose(same @ LUMA, old @ LUMA, atol=1)


def test_a_turned_hue_turns_back_and_leaves_gray():
    turn, back = colour_matrix(2.0, 0.15), colour_matrix(0.5, -0.15)
    np.testing.assert_allclose(turn @ back, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(turn @ [1, 1, 1], [1, 1, 1], atol=1e-3)
    np.testing.assert_allclose(LUMA @ turn, LUMA, atol=1e-9)


def test_gray_images_and_fourth_channels_keep_their_kind():
    batch = filmed(np.full((6, 6), 100, np.uint8), alpha_image=np.full((6, 6, 4), 100, np.uint8))
    new = applied(ColorJitter(brightness=0.5), batch)
    assert (new.array(IMAGE) != 100).all()
    alpha = new.array("obs/alpha_image")
    assert (alpha[..., 3] == 100).all()
    assert (alpha[..., :3] != 100).all()


def test_a_blur_spreads_a_point_into_a_gaussian_and_keeps_its_light():
    image = np.zeros((21, 21, 1), np.uint8)
    image[10, 10] = 255
    found = applied(Blur(sigma=(1.5, 1.5)), filmed(image, (1,))).array(IMAGE)[0, :, :, 0].astype(np.float64)
    rows, columns = np.mgrid[-10:11, -10:11]
    wanted = 255 / (2 * np.pi * 1.5**2) * np.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    np.testing.assert_allclose(found, wanted, atol=1)
    batch = filmed(np.full((5, 6, 3), 91, np.uint8))
    assert applied(Blur(), batch).steps.equals(batch.steps)
    batch = filmed(ramp(), (2,) * 30)
    sharp = (applied(Blur(probability=0.5), batch).array(IMAGE)[::2] == ramp()).all(axis=(1, 2, 3))
    assert 5 < sharp.sum() < 25


def test_a_cutout_covers_a_rectangle_of_the_asked_size():
    image = np.full((20, 20, 3), 200, np.uint8)
    found = applied(Cutout(size=(0.2, 0.5), fill=7), filmed(image, (1,) * 40)).array(IMAGE)
    for one in found:
        covered = (one == 7).all(axis=2)
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        assert covered.sum() == len(rows) * len(columns) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert 4 <= len(rows) <= 10
        assert (one[~covered] == 200).all()
    colours = applied(Cutout(fill=None), filmed(image, (1,) * 5)).array(IMAGE)
    assert len({tuple(one[(one != 200).any(axis=2)][0]) for one in colours}) == 5


def test_image_noise_has_the_asked_deviation_in_every_frame_anew():
    image = np.full((40, 50, 3), 128, np.uint8)
    found = applied(ImageNoise(sigma=6), filmed(image, (70,))).array(IMAGE).astype(np.float64) - 128
    assert abs(found.std() - 6) < 0.1
    assert abs(found.mean()) < 0.1
    assert abs(np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1]) < 0.05
    salted = applied(ImageNoise(kind="salt_and_pepper", share=0.1), filmed(image, (2,))).array(IMAGE)
    assert abs((salted == 255).all(axis=3).mean() - 0.05) < 0.01
    assert abs((salted == 0).all(axis=3).mean() - 0.05) < 0.01
    assert set(np.unique(salted)) == {0, 128, 255}


@pytest.mark.parametrize("sigma", [0.3, 6.0, 300.0])
def test_rounded_noise_comes_as_often_as_its_chance_says(sigma):
    values, counts = np.unique(rounded_normal(sigma), return_counts=True)
    assert values[0] == -values[-1] >= -255
    normal = NormalDist(0, sigma)
    for value, count in zip(values, counts, strict=True):
        low, high = (normal.cdf(value + half) for half in (-0.5, 0.5))
        low, high = (0 if value == -255 else low), (1 if value == 255 else high)
        assert abs(count / 65_536 - (high - low)) <= 1 / 65_536
    assert set(rounded_normal(0.0)) == {0}


def test_a_background_comes_where_the_mask_is_off(tmp_path):
    pictures = pytest.importorskip("PIL.Image")
    for at, colour in enumerate(((255, 0, 0), (0, 0, 255))):
        pictures.new("RGB", (30, 20), colour).save(tmp_path / f"{at}.png")
    mask = np.zeros((12, 16, 1), np.uint8)
    mask[2:5, 3:9], mask[8:10, 3:9] = 3, 5
    batch = filmed(ramp(), (1,) * 12, agentview_mask=mask)
    found = applied(Background(folder=str(tmp_path)), batch).array(IMAGE)
    np.testing.assert_array_equal(found[:, mask[..., 0] > 0], np.repeat(ramp()[mask[..., 0] > 0][None], 12, 0))
    behind = {tuple(pixel) for one in found for pixel in one[mask[..., 0] == 0]}
    assert behind == {(255, 0, 0), (0, 0, 255)}
    front = applied(Background(folder=str(tmp_path), keep=(5,)), batch).array(IMAGE)[0]
    np.testing.assert_array_equal((front == ramp()).all(axis=2), mask[..., 0] == 5)


def test_a_background_says_what_it_lacks(tmp_path):
    batch = filmed(ramp(), agentview_mask=np.zeros((12, 15), np.uint8))
    with pytest.raises(SettingsError, match=r"\(12, 15\) is no mask for obs/agentview_image \(12, 16, 3\)"):
        Background(folder=str(tmp_path)).header(batch.header)
    with pytest.raises(UnknownNameError, match="no mask named 'of obs/agentview_image'; there are: none"):
        Background(folder=str(tmp_path)).header(filmed(ramp()).header)
    fits = filmed(ramp(), agentview_mask=np.zeros((12, 16), np.uint8))
    with pytest.raises(SettingsError, match=r"is no folder with pictures \(\.png"):
        Background(folder=str(tmp_path)).header(fits.header)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    pytest.importorskip("PIL")
    with pytest.raises(SettingsError, match=r"broken\.png is no picture"):
        applied(Background(folder=str(tmp_path)), fits)


def test_colour_images_are_asked_for_by_name():
    with pytest.raises(SettingsError, match=r"colour images \(uint8\) is needed: actions is float64"):
        Blur(columns=("actions",)).header(scenes.HEADER)
    with pytest.raises(SettingsError, match=r"fits no column of colour images .*; there are: none at all"):
        Blur().header(scenes.HEADER.with_(steps=scenes.HEADER.steps[:1]))
