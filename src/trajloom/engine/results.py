"""What MimicGen's classes return and film: lists with an item a step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trajloom.errors import SettingsError
from trajloom.task import Array, DatagenInfo

_VIDEO_SIZE = {"height": 512, "width": 512}


def as_lists(columns: Mapping[str, Array], success: bool) -> dict[str, Any]:
    """Recorded steps as MimicGen's result: `states`, `observations`, `datagen_infos`, `actions` and `success`.

    Args:
        columns: Column -> (T, ...), as a Recorder gives them.
        success: Whether the task was solved.
    """
    rows = [{name: values[t] for name, values in columns.items()} for t in range(len(columns.get("actions", ())))]
    return {
        "states": [row["states"] for row in rows],
        "observations": [
            {name.removeprefix("obs/"): value for name, value in row.items() if name.startswith("obs/")} for row in rows
        ],
        "datagen_infos": [DatagenInfo.from_columns(row) for row in rows],
        "actions": [row["actions"] for row in rows],
        "success": success,
    }


class Film:
    """Shows or films an environment as it is stepped; does nothing where nothing is asked."""

    def __init__(
        self,
        env: Any,
        render: bool = False,
        video_writer: Any = None,
        video_skip: int = 5,
        camera_names: Sequence[str] | None = None,
    ):
        wanted = render or video_writer is not None
        if wanted and not callable(getattr(env, "render", None)):
            raise SettingsError(
                f"cannot render: {type(env).__name__} has no render(); render the stored states instead"
            )
        if video_writer is not None and not camera_names:
            raise SettingsError("a video needs camera_names, such as ['agentview']")
        self.env, self.render, self.writer = env, render, video_writer
        self.skip, self.cameras = max(video_skip, 1), list(camera_names or ())
        self.steps = 0

    def take(self) -> None:
        """Call after each step: shows it, and writes a frame every `video_skip` steps."""
        if self.render:
            self.env.render(mode="human", camera_name=self.cameras[0] if self.cameras else None)
        if self.writer is not None and self.steps % self.skip == 0:
            views = [self.env.render(mode="rgb_array", camera_name=name, **_VIDEO_SIZE) for name in self.cameras]
            self.writer.append_data(np.concatenate(views, axis=1))
        self.steps += 1
