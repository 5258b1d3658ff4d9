"""Selection strategies that lose their worker, and a question to one; workers import this module."""

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

from dask.sizeof import sizeof

from trajloom.engine.select import MG_SelectionStrategy


class Lose(MG_SelectionStrategy):
    """Ends the process where the object lies at a y of `crash`, never returns at one of `hang`, until `healed` is.

    At one of `crash_once` it ends the process the first time. It chooses by the global generator.
    """

    NAME = "lose"

    def select_source_demo(
        self, eef_pose, object_pose, src_subtask_datagen_infos, crash, crash_once, hang, healed, crashed
    ):
        if not Path(healed).exists():
            if lies_at_one_of(crash_once, object_pose) and not Path(crashed).exists():
                Path(crashed).touch()
                os._exit(1)
            if lies_at_one_of(crash, object_pose):
                os._exit(1)
            while lies_at_one_of(hang, object_pose):
                time.sleep(0.1)
        time.sleep(0.01)  # the other threads would draw now, if they could
        return random.randrange(len(src_subtask_datagen_infos))


def lies_at_one_of(places: Sequence[float], object_pose) -> bool:
    return any(abs(object_pose[1, 3] - y) < 1e-9 for y in places)


def drawn_while_dask_weighs_a_message() -> tuple[float, float]:
    """The first number of a seeded global generator, and the same with a list's size guessed after the seed."""
    numbers = []
    for messages in (0, 1):
        random.seed(5)
        for _ in range(messages):
            sizeof(list(range(100)))
        numbers.append(random.random())
    return numbers[0], numbers[1]
