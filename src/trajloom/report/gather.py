"""What the plots show, gathered in passes that hold some batches in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from trajloom.dataset import Dataset
from trajloom.edit.images import image_of
from trajloom.formats.lerobot.png import encode
from trajloom.query.by_episode import whole_tables
from trajloom.query.component import component_name
from trajloom.query.gathering import groups, show
from trajloom.query.motion import Place
from trajloom.query.summary import Tally
from trajloom.schema import Column
from trajloom.tables import Array, filled, to_numpy

MOST_PATHS, MOST_POINTS = 40, 160
MOST_COMPONENTS = 32
BINS = 41
MOST_CAMERAS, MOST_STRIPS, FRAMES = 4, 3, 8
FRAME_WIDTH = 132
"""Pixels that a frame of a strip is at most wide."""


def spread(number: int, most: int) -> Array:
    """Up to `most` of the numbers 0 to `number` - 1, evenly."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(np.int64)) if number else np.arange(0)


def histograms(dataset: Dataset, column: Column) -> list[tuple[str, Array, Array]]:
    """(name, counts (BINS,), edges (BINS + 1,)) of each component of a column that has any numbers."""
    found: list[tuple[str, Array, Array]] = []
    names = [component_name(column.name, index) for index in np.ndindex(column.shape)]
    for group in groups([column], MOST_COMPONENTS):
        tallies = {few: Tally(few, True) for few in group}
        show(dataset, tallies)
        for few, tally in tallies.items():
            for name, (values, weights) in zip(names[few.first : few.stop], tally.weighted(), strict=True):
                there = np.isfinite(values)
                if there.any():
                    counts, edges = np.histogram(values[there], BINS, weights=weights[there])
                    found.append((name, counts, edges))
        break  # of wider columns the first components
    return found


def paths(dataset: Dataset, place: Place, episodes: pl.DataFrame) -> list[tuple[str, bool | None, Array]]:
    """(name, success, positions (T, 3)) of some episodes, evenly over the dataset; failures among them if there are."""
    column, index = place
    chosen = _chosen(episodes)
    rows = {row["episode_index"]: row for row in chosen.iter_rows(named=True)}
    flat = [int(np.ravel_multi_index(i, column.shape)) for i in index]
    found = []
    for table in whole_tables(dataset, ["episode_index", column.name]):
        number = table.column("episode_index").to_numpy()
        for wanted in np.intersect1d(number, list(rows)).tolist():
            at = np.flatnonzero(number == wanted)
            at = at[spread(len(at), MOST_POINTS)]
            values = filled(table.column(column.name).take(pa.array(at)).combine_chunks(), column)
            xyz = values.reshape(len(at), -1)[:, flat].astype(np.float64)
            if np.isfinite(xyz).all():
                found.append((rows[wanted]["name"], rows[wanted]["success"], xyz))
    return found


def _chosen(episodes: pl.DataFrame) -> pl.DataFrame:
    """Some episodes, half of them failures where there are enough of both."""
    failed = episodes.filter(~pl.col("success"))
    others = episodes.filter(pl.col("success").is_null() | pl.col("success"))
    fewer = min(failed.height, max(MOST_PATHS // 2, MOST_PATHS - others.height))
    return pl.concat([others[spread(others.height, MOST_PATHS - fewer)], failed[spread(failed.height, fewer)]])


@dataclass(frozen=True)
class Strip:
    """Some frames of a camera, side by side."""

    episode: str
    camera: str
    png: bytes
    frames: int


def strips(dataset: Dataset) -> list[Strip]:
    """Strips of the first cameras, of the first episodes of the first part that has steps."""
    cameras = [column for column in dataset.header.steps if image_of(column) == "color"][:MOST_CAMERAS]
    part = next((part for part in dataset.parts() if part.num_steps), None)
    if not cameras or part is None:
        return []
    rows = part.episodes().select(["episode_index", "name", "length"]).to_pylist()
    rows = [row for row in rows if row["length"]][:MOST_STRIPS]
    wanted = {row["episode_index"]: spread(row["length"], FRAMES) for row in rows}
    frames = _frames(part.steps(["episode_index", "frame_index", *(c.name for c in cameras)]), cameras, wanted)
    found = []
    for row in rows:
        for camera in cameras:
            images = frames.get((row["episode_index"], camera.name), [])
            if images:
                found.append(Strip(row["name"], camera.name, encode(np.concatenate(images, axis=1)), len(images)))
    return found


def _frames(
    batches: Iterator[pa.RecordBatch], cameras: Sequence[Column], wanted: dict[int, Array]
) -> dict[tuple[int, str], list[Array]]:
    """Small images of the frames wanted; reading ends with the last of them."""
    found: dict[tuple[int, str], list[Array]] = {}
    left = sum(map(len, wanted.values()))
    for batch in batches:
        episode, frame = (batch.column(name).to_numpy() for name in ("episode_index", "frame_index"))
        for row in np.flatnonzero(np.isin(episode, list(wanted))).tolist():
            if frame[row] not in wanted[int(episode[row])]:
                continue
            left -= 1
            for camera in cameras:
                value = batch.column(camera.name).slice(row, 1)
                if not value.null_count:
                    image = small(to_numpy(value, camera)[0])
                    found.setdefault((int(episode[row]), camera.name), []).append(image)
        if left <= 0:
            break
    return found


def small(image: Array) -> Array:
    """(h, w, 3) uint8. An image (H, W) or (H, W, C), made smaller by averaging whole blocks of pixels."""
    image = image[:, :, None] if image.ndim == 2 else image
    image = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[:, :, :3]
    by = max(1, -(-image.shape[1] // FRAME_WIDTH))
    tall, wide = (min(by, n) for n in image.shape[:2])
    height, width = image.shape[0] // tall, image.shape[1] // wide
    blocks = image[: height * tall, : width * wide].reshape(height, tall, width, wide, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)
