"""Selection strategies that lose their worker, imported by workers through `preload`."""

import os
import time
from pathlib import Path

from trajloom.engine.select import MG_SelectionStrategy


class CrashOnce(MG_SelectionStrategy):
    """Ends the process the first time it is asked, and chooses the first source from then on."""

    NAME = "crash_once"

    def select_source_demo(self, eef_pose, object_pose, src_subtask_datagen_infos, marker):
        if not Path(marker).exists():
            Path(marker).touch()
            os._exit(1)
        return 0


class LoseLeft(MG_SelectionStrategy):
    """Ends the process, or never returns, where the object lies at y < `below`, until a file `healed` is there."""

    NAME = "lose_left"

    def select_source_demo(self, eef_pose, object_pose, src_subtask_datagen_infos, below, how, healed):
        if object_pose[1, 3] < below and not Path(healed).exists():
            if how == "crash":
                os._exit(1)
            while how == "hang":
                time.sleep(0.1)
        return 0
