"""robosuite's control step, compiled: the same torques and the same calls of MuJoCo, without Python in between.

`step.control_step` is the one entry point; `NativeLoop` gives it what it needs. Settings and memory of arms and
grippers are records (`records`), filled from robosuite's own controllers (`parts`). Adding a controller is adding a
file like `joints`, its fields in `records`, and its name in `parts.CONTROLLERS` and `step`.
"""

from trajloom.sim.native.loop import NativeLoop
from trajloom.sim.native.parts import unknown

__all__ = ["NativeLoop", "unknown"]
