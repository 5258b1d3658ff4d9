"""Chance that depends on the work, not on the worker."""

import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

Key = int | str

process_state = threading.RLock()
"""Held by the thread that uses what a process has once: the global generators, Python's list of warning filters."""


def rng_for(seed: int, *key: Key) -> np.random.Generator:
    """The random stream of one piece of work, the same on any worker, in any order, in every release.

    Args:
        seed: The run's seed, any integer.
        key: Names and numbers that say which piece of work this is, such as `"attempt", 7`.
            `1` and `"1"` are different keys, and so are `("ab",)` and `("a", "b")`.

    Returns:
        A generator (PCG64) seeded with the first 128 bits of the SHA-256 of seed and key.
    """
    digest = hashlib.sha256(repr((int(seed), *map(_plain, key))).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def _plain(part: Key) -> Key:
    """A key part as a builtin, so that its repr is the same for NumPy integers of any version."""
    return part if isinstance(part, str) else int(part)


@contextmanager
def seeded_globals(rng: np.random.Generator) -> Iterator[None]:
    """Seed the global `random` and `np.random` from `rng` while foreign code runs, and put them back afterwards.

    One draw of 32 bits is taken from `rng`, whether the code inside draws or not. Foreign code of several threads runs
    one after the other: no other way keeps one from drawing out of the other's stream.
    """
    seed = int(rng.integers(2**32))
    with process_state:
        python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  the global stream is what foreign code draws from
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


def rng_from_globals() -> np.random.Generator:
    """A generator seeded by one draw from the global `np.random`, for callers who seeded that and pass no `rng`."""
    return rng_for(int(np.random.randint(2**31)), "globals")  # noqa: NPY002  what such callers have seeded
