"""Augmentations of images beside the loop that one would write: frame by frame, with OpenCV, Pillow or NumPy.

Claim: none of ours takes longer than the loop with what we need ourselves, NumPy or Pillow.

    python benchmarks/bench_augment_images.py [ROUNDS]

Ours take a batch of eight episodes from Arrow and give one back. The loops take the same frames as one array and fill
another; they draw once an episode too. Each loop does what is nearest to ours: OpenCV's blur has the same weights in
8-bit fixed point, Pillow's is three boxes; jitter multiplies as ours does, with a rounding after every factor. OpenCV
comes with robosuite; it is given one thread, and counted is the time of one core.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from PIL import Image, ImageEnhance, ImageFilter

from measure import in_turns, machine, median, ratio, row
from trajloom import augment, tables
from trajloom.batch import Batch
from trajloom.schema import Column, Header

IMAGE = "obs/front_image"
EPISODES = 8
SIZES = {(84, 84): 100, (240, 320): 20}
"""Height and width -> frames of an episode."""
Frame = np.ndarray
OfFrame = Callable[[Frame], Frame]
Draw = Callable[[np.random.Generator], OfFrame]
"""Chance -> what is done to every frame of an episode."""


# ---- the loops -------------------------------------------------------------------------------------------------


def blur_opencv(rng: np.random.Generator) -> OfFrame:
    sigma = rng.uniform(0.1, 2.0)
    size = 2 * int(np.ceil(3 * sigma)) + 1
    return lambda frame: cv2.GaussianBlur(frame, (size, size), sigma, borderType=cv2.BORDER_REPLICATE)


def blur_pillow(rng: np.random.Generator) -> OfFrame:
    blur = ImageFilter.GaussianBlur(rng.uniform(0.1, 2.0))
    return lambda frame: np.asarray(Image.fromarray(frame).filter(blur))


def jitter_opencv(rng: np.random.Generator) -> OfFrame:
    brightness, contrast, saturation = rng.uniform(0.8, 1.2, 3)
    turn = rng.uniform(-9, 9)

    def jittered(frame: Frame) -> Frame:
        frame = cv2.convertScaleAbs(frame, alpha=brightness)
        mean = cv2.mean(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))[0]
        frame = cv2.addWeighted(frame, contrast, frame, 0, mean * (1 - contrast))
        gray = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        hsv = cv2.cvtColor(cv2.addWeighted(frame, saturation, gray, 1 - saturation, 0), cv2.COLOR_RGB2HSV)
        turned = cv2.LUT(hsv[..., 0], ((np.arange(256) + turn) % 180).astype(np.uint8))
        return cv2.cvtColor(cv2.merge([turned, hsv[..., 1], hsv[..., 2]]), cv2.COLOR_HSV2RGB)

    return jittered


def jitter_pillow(rng: np.random.Generator) -> OfFrame:
    brightness, contrast, saturation = rng.uniform(0.8, 1.2, 3)
    turn = rng.integers(-12, 13)

    def jittered(frame: Frame) -> Frame:
        image = ImageEnhance.Brightness(Image.fromarray(frame)).enhance(brightness)
        image = ImageEnhance.Contrast(image).enhance(contrast)
        hue, *others = ImageEnhance.Color(image).enhance(saturation).convert("HSV").split()
        hue = hue.point([(value + turn) % 256 for value in range(256)])
        return np.asarray(Image.merge("HSV", (hue, *others)).convert("RGB"))

    return jittered


def shift_opencv(rng: np.random.Generator) -> OfFrame:
    down, right = rng.integers(-4, 5, 2)
    moved = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return lambda frame: cv2.warpAffine(
        frame, moved, frame.shape[1::-1], flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )


def shift_drq(rng: np.random.Generator) -> OfFrame:
    """As in DrQ: pad, then crop."""
    down, right = rng.integers(0, 9, 2)

    def shifted(frame: Frame) -> Frame:
        padded = cv2.copyMakeBorder(frame, 4, 4, 4, 4, cv2.BORDER_REPLICATE)
        return padded[down : down + frame.shape[0], right : right + frame.shape[1]]

    return shifted


def corner(rng: np.random.Generator, height: int, width: int) -> tuple[slice, slice]:
    """Nine tenths of each side, anywhere."""
    top, left = rng.integers(0, height - cut(height) + 1), rng.integers(0, width - cut(width) + 1)
    return np.s_[top : top + cut(height), left : left + cut(width)]


def cut(side: int) -> int:
    return side * 9 // 10


def crop(rng: np.random.Generator, height: int, width: int) -> OfFrame:
    inside = corner(rng, height, width)
    return lambda frame: frame[inside]


def crop_resize_opencv(rng: np.random.Generator, height: int, width: int) -> OfFrame:
    inside = corner(rng, height, width)
    return lambda frame: cv2.resize(frame[inside], (width, height), interpolation=cv2.INTER_LINEAR)


def crop_resize_pillow(rng: np.random.Generator, height: int, width: int) -> OfFrame:
    inside = corner(rng, height, width)
    return lambda frame: np.asarray(Image.fromarray(frame[inside]).resize((width, height), Image.Resampling.BILINEAR))


def cutout(rng: np.random.Generator, height: int, width: int) -> OfFrame:
    tall, wide = (rng.uniform(0.1, 0.3, 2) * (height, width)).astype(int)
    top, left = rng.integers(0, height - tall), rng.integers(0, width - wide)

    def covered(frame: Frame) -> Frame:
        frame = frame.copy()
        frame[top : top + tall, left : left + wide] = 0
        return frame

    return covered


def noise_opencv(rng: np.random.Generator) -> OfFrame:
    def noisy(frame: Frame) -> Frame:
        noise = cv2.randn(np.empty(frame.shape, np.int16), np.zeros(3), np.full(3, 5.0))
        return cv2.add(frame, noise, dtype=cv2.CV_8U)

    return noisy


def noise_numpy(rng: np.random.Generator) -> OfFrame:
    return lambda frame: np.clip(np.rint(frame + rng.normal(0, 5, frame.shape)), 0, 255).astype(np.uint8)


def salt_numpy(rng: np.random.Generator) -> OfFrame:
    def salted(frame: Frame) -> Frame:
        frame, drawn = frame.copy(), rng.random(frame.shape[:2])
        frame[drawn < 0.005], frame[drawn >= 0.995] = 0, 255
        return frame

    return salted


def background_opencv(rng: np.random.Generator, behind: list[Frame], masks: Iterator[Frame]) -> OfFrame:
    picture = behind[rng.integers(len(behind))]
    return lambda frame: cv2.copyTo(frame, next(masks), picture.copy())


def background_numpy(rng: np.random.Generator, behind: list[Frame], masks: Iterator[Frame]) -> OfFrame:
    picture = behind[rng.integers(len(behind))]
    return lambda frame: np.where(next(masks)[..., None] > 0, frame, picture)


def loop(frames: np.ndarray, draw: Draw, like: tuple[int, ...]) -> np.ndarray:
    """All frames (E, T, H, W, 3), each episode with a draw of its own; `like` is what a frame becomes."""
    rng = np.random.default_rng(0)
    new = np.empty((*frames.shape[:2], *like), np.uint8)
    for episode, made in zip(frames, new, strict=True):
        change = draw(rng)
        for frame, place in zip(episode, made, strict=True):
            place[:] = change(frame)
    return new


# ---- ours ------------------------------------------------------------------------------------------------------


def batch_of(frames: np.ndarray, masks: np.ndarray) -> Batch:
    """Episodes of frames (E, T, H, W, 3) and masks (E, T, H, W)."""
    columns = {IMAGE: frames, "obs/front_mask": masks}
    steps = tuple(Column(name=name, dtype="uint8", shape=values.shape[2:]) for name, values in columns.items())
    header = Header(steps=steps, control_hz=20.0)
    count, length = frames.shape[:2]
    rows = [{"episode_index": i, "name": f"demo_{i}", "length": length, "attrs": "{}"} for i in range(count)]
    flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in columns.items()}
    made = tables.steps_rows(header, np.repeat(np.arange(count), length), np.tile(np.arange(length), count), flat)
    rest = header.schema_of("rest").empty_table()
    return Batch(header, pa.Table.from_batches([made]), tables.episodes_table(header, rows), rest)


# ---- side by side ----------------------------------------------------------------------------------------------


def pairs(height: int, width: int, folder: str, masks: np.ndarray) -> Iterator[tuple[str, Any, dict[str, Draw]]]:
    """What is measured, ours, and the loops."""
    paths = sorted(Path(folder).glob("*.png"))
    behind = [np.asarray(Image.open(path).resize((width, height))) for path in paths]
    replacing = {"behind": behind, "masks": cycle(masks.reshape(-1, height, width))}
    size = {"height": height, "width": width}
    part = {"height": cut(height), "width": cut(width), "columns": (IMAGE,)}
    yield "blur", augment.Blur(), {"OpenCV": blur_opencv, "Pillow": blur_pillow}
    yield "color_jitter", augment.ColorJitter(), {"OpenCV": jitter_opencv, "Pillow": jitter_pillow}
    yield "shift", augment.Shift(columns=(IMAGE,)), {"OpenCV": shift_opencv, "OpenCV, pad and crop": shift_drq}
    yield "crop", augment.Crop(**part), {"NumPy": partial(crop, **size)}
    resizes = {"OpenCV": partial(crop_resize_opencv, **size), "Pillow": partial(crop_resize_pillow, **size)}
    yield "crop, then resize", augment.Crop(**part, then="resize"), resizes
    yield "cutout", augment.Cutout(), {"NumPy": partial(cutout, **size)}
    yield "image_noise", augment.ImageNoise(), {"OpenCV": noise_opencv, "NumPy": noise_numpy}
    yield "image_noise, salt", augment.ImageNoise(kind="salt_and_pepper"), {"NumPy": salt_numpy}
    replaced = {"OpenCV": partial(background_opencv, **replacing), "NumPy": partial(background_numpy, **replacing)}
    yield "background", augment.Background(folder=folder), replaced


def compare(height: int, width: int, length: int, folder: str, rounds: int) -> None:
    """The rows of one size of frames."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (EPISODES, length, height, width, 3), dtype=np.uint8)
    masks = rng.integers(0, 2, frames.shape[:4], dtype=np.uint8)
    batch = batch_of(frames, masks)
    for name, one, loops in pairs(height, width, folder, masks):
        like = (cut(height), cut(width), 3) if name == "crop" else (height, width, 3)
        runs = {kind: partial(loop, frames, draw, like) for kind, draw in loops.items()}
        ours = partial(one.apply, batch, np.random.default_rng)
        taken = in_turns({"ours": ours, **runs}, rounds, time.process_time)
        each = EPISODES * length / 1000
        for kind in loops:
            its, ratio_ = median(taken[kind]) / each, ratio(taken, kind, "ours")
            row(name, f"{height}x{width}", median(taken["ours"]) / each, kind, its, ratio_)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    cv2.setNumThreads(1)
    print(machine(), "\n")
    row("augmentation", "frames", "ours, ms a frame", "loop", "its ms", "loop / ours")
    row(*["---"] * 6)
    with tempfile.TemporaryDirectory() as folder:
        for at in range(3):
            noise = np.random.default_rng(at).integers(0, 256, (200, 200, 3), dtype=np.uint8)
            Image.fromarray(noise).save(Path(folder) / f"{at}.png")
        for (height, width), length in SIZES.items():
            compare(height, width, length, folder, rounds)


if __name__ == "__main__":
    main()
