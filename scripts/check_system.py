"""Check, before anything is installed, for what pip cannot bring; print the one line that installs what is missing.

robosuite imports OpenCV, which wants libGL and glib, and requires pynput, whose evdev has no wheel and builds with a C
compiler and the headers of Python and the kernel.
"""

import ctypes.util
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

NEEDS: list[tuple[str, str, Callable[[], bool]]] = [
    ("libGL.so.1 (OpenCV)", "libgl1", lambda: ctypes.util.find_library("GL") is not None),
    ("libglib-2.0 (OpenCV)", "libglib2.0-0", lambda: ctypes.util.find_library("glib-2.0") is not None),
    ("a C compiler (evdev)", "gcc", lambda: any(map(shutil.which, ("cc", "gcc", "clang")))),
    ("linux/input.h (evdev)", "linux-libc-dev", lambda: Path("/usr/include/linux/input.h").exists()),
    ("Python.h (evdev)", "python3-dev", lambda: Path(sysconfig.get_path("include"), "Python.h").exists()),
    ("the module venv", "python3-venv", lambda: _imports("ensurepip")),
]
"""What, the Debian package that brings it, and whether it is there."""


def _imports(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 (whoever runs this may have an older one)
        print(f"Trajloom needs Python 3.11 or later, this is {sys.version.split()[0]}: make PYTHON=python3.11 ...")
        return 1
    if not sys.platform.startswith("linux"):
        return 0
    missing = [(what, package) for what, package, there in NEEDS if not there()]
    for what, _ in missing:
        print(f"missing: {what}")
    if missing:
        print("install it with: apt-get install -y " + " ".join(package for _, package in missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
