"""Chance for a whole batch, of which every episode draws its own from its own stream."""

from collections.abc import Callable

import numpy as np

from trajloom.augmentation import RngOf
from trajloom.batch import Batch
from trajloom.tables import Array

Streams = list[np.random.Generator]


def streams(batch: Batch, rng_of: RngOf) -> Streams:
    """(E). The stream of each episode; what is drawn first for one column is not drawn again for the next."""
    return [rng_of(at) for at in range(batch.episodes.num_rows)]


def per_step(batch: Batch, rngs: Streams, draw: Callable[[np.random.Generator, int], Array]) -> Array:
    """(N, ...). What `draw(rng, length)`, an array (length, ...), gives for each episode."""
    drawn = [draw(rng, int(length)) for rng, length in zip(rngs, batch.lengths, strict=True)]
    return np.concatenate(drawn) if drawn else draw(np.random.default_rng(0), 0)


def normal(batch: Batch, rngs: Streams, shape: tuple[int, ...]) -> Array:
    """(N, *shape). Standard normal numbers."""
    return per_step(batch, rngs, lambda rng, length: rng.standard_normal((length, *shape)))


def uniform(batch: Batch, rngs: Streams, shape: tuple[int, ...]) -> Array:
    """(N, *shape). Even in [-1, 1)."""
    return per_step(batch, rngs, lambda rng, length: rng.uniform(-1, 1, (length, *shape)))


def correlated(batch: Batch, rngs: Streams, shape: tuple[int, ...], steps: float) -> Array:
    """(N, *shape). Standard normal at every step, with a memory that fades to 1/e in `steps` steps.

    The AR(1) process `x[t] = r x[t-1] + sqrt(1 - r^2) e[t]`, r = exp(-1 / steps), begun in its stationary state: the
    Ornstein-Uhlenbeck process, looked at once a step. All episodes advance together.
    """
    fresh = normal(batch, rngs, shape)
    keep = np.exp(-1 / steps)
    starts, lengths = batch.starts[:-1], batch.lengths
    new = np.sqrt(1 - keep**2)
    for frame in range(1, int(lengths.max(initial=0))):
        rows = starts[lengths > frame] + frame
        fresh[rows] = keep * fresh[rows - 1] + new * fresh[rows]
    return fresh


def per_episode(batch: Batch, rngs: Streams, draw: Callable[[np.random.Generator], Array | float]) -> Array:
    """(N, ...). What `draw(rng)` gives for each episode, at each of its steps."""
    drawn = [draw(rng) for rng in rngs] or [draw(np.random.default_rng(0))]
    return np.stack([np.asarray(one) for one in drawn])[batch.position]


def per_frame(batch: Batch, rngs: Streams, draw: Callable[[np.random.Generator], Array | float], each: bool) -> Array:
    """(N, ...). What `draw(rng)` gives: at every step anew where `each`, else once an episode."""
    if not each:
        return per_episode(batch, rngs, draw)
    return per_step(batch, rngs, lambda rng, length: _repeated(draw, rng, length))


def _repeated(draw: Callable[[np.random.Generator], Array | float], rng: np.random.Generator, length: int) -> Array:
    values = [np.asarray(draw(rng)) for _ in range(max(length, 1))]
    return np.stack(values)[:length]
