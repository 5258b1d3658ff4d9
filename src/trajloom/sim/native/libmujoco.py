"""MuJoCo's own C functions, as compiled code calls them: by name, so that the compiled code can be kept on disk.

Structs are passed by their address (`MjModel._address`, `MjData._address`), arrays by the address of their data.
"""

from pathlib import Path

import mujoco
from llvmlite import binding
from numba import types

from trajloom.errors import MissingExtraError

_MAPPED = Path("/proc/self/maps")
"""What a process of Linux has loaded, a line each with the path at its end."""


def _library() -> Path:
    """The library that the Python bindings themselves are linked to, which pip keeps beside them and conda does not."""
    folder = Path(mujoco.__file__).parent
    found = [path for pattern in ("libmujoco.so*", "libmujoco*.dylib", "mujoco.dll") for path in folder.glob(pattern)]
    if not found and _MAPPED.exists():
        found = [Path(line.split()[-1]) for line in _MAPPED.read_text().splitlines() if "libmujoco" in line]
    if not found:
        raise MissingExtraError("the compiled control loop", "sim", f"there is no MuJoCo library in {folder}")
    return found[0]


binding.load_library_permanently(str(_library()))

_address = types.intp

mj_step1 = types.ExternalFunction("mj_step1", types.void(_address, _address))
"""(model, data): positions, velocities and contacts of the state."""
mj_step2 = types.ExternalFunction("mj_step2", types.void(_address, _address))
"""(model, data): forces from `ctrl`, and the next state."""
mj_jacSite = types.ExternalFunction("mj_jacSite", types.void(_address, _address, _address, _address, types.int32))
"""(model, data, (3, nv) to fill, (3, nv) to fill, site): Jacobians of a site's position and rotation."""
