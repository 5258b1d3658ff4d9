"""Poses, signals and targets, found by replaying stored states: what makes demonstrations sources."""

from typing import Any

from trajloom.annotation import replayed
from trajloom.augmentation import Augmentation, local_aug
from trajloom.errors import SourceError

NOTES = "datagen_info_notes"
"""Attribute of an episode: how a value was judged where the model lacks what would show it."""


class AddDatagenInfoAugmentation(Augmentation):
    """Give each episode its `datagen_info/...`, on the workers, as `trajloom annotate` does.

    Each episode's own model is used, in bare MuJoCo. What a user should know of how values were found becomes the
    episode's attribute `datagen_info_notes`.
    """

    def __init__(self, env_interface_type: str):
        """Say which task it is.

        Args:
            env_interface_type: MimicGen's name of its interface, such as "MG_Square", or our name of the task.
        """
        self.env_interface_type = env_interface_type

    @local_aug
    def apply(self, traj: Any) -> Any:
        from trajloom.augment.mimicgen import task_of

        missing = [name for name in ("states", "actions") if name not in traj]
        if missing:
            raise SourceError(f"{traj.name} has no {' and no '.join(missing)}, so its states cannot be replayed")
        header = traj.origin.context.header if traj.origin else None
        task = task_of(self.env_interface_type)
        env_args = header.env_args if header else None
        found = replayed(traj["states"], traj["actions"], traj.model or "", task, env_args)
        annotated = traj.copy()
        annotated["datagen_info"] = found.info.to_dict()
        annotated.attrs.pop(NOTES, None)
        if found.notes:
            annotated.attrs[NOTES] = "; ".join(found.notes)
        return annotated
