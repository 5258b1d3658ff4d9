"""The only MuJoCo and robosuite code: scenes, tasks, controllers, annotation and scripted policies.

Importing this package needs MuJoCo; robosuite is loaded by `trajloom.sim.scene.make_scene` alone.
"""

from trajloom.errors import MissingExtraError

try:
    import mujoco  # noqa: F401
except ImportError as error:
    raise MissingExtraError("the simulator", "sim", str(error)) from error
