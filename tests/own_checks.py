"""Checks of a user's own, by name."""

from trajloom.task import Scene

HIGH_M = 0.06


def is_high(scene: Scene, eef: str, subtask: int) -> str:
    """Whether the hand has risen by the end of the grasp."""
    height = float(scene.eef_pose()[eef][2, 3])
    return "" if subtask or height > HIGH_M else f"the hand is only {100 * height:.0f} cm high"


def never(scene: Scene, eef: str, subtask: int) -> bool:
    return False


def odd(scene: Scene, eef: str, subtask: int) -> object:
    return {"eef": eef}


NO_FUNCTION = 3


def only_the_first_subtask(scene: Scene, eef: str, subtask: int) -> bool:
    """Says no to every subtask but the first."""
    return subtask == 0
