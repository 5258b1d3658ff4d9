"""Make the model XML that a demonstration carries loadable here, and safe to load.

Stored XML names meshes and textures of another machine, and attributes that only another MuJoCo knows. What poses and
contacts need is kept (bodies, joints, primitive geoms, sites), by a list of what is allowed; nothing on that list can
name a file, so loading opens none.
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree as ET

import mujoco

from trajloom import mjcf
from trajloom.errors import LayoutError

_FRAME = "pos quat axisangle xyaxes zaxis euler"
_KEPT = {
    "mujoco": "model",
    "compiler": "angle eulerseq autolimits inertiafromgeom inertiagrouprange",
    "default": "class",
    "worldbody": "",
    "frame": f"name childclass {_FRAME}",
    "body": f"name childclass mocap {_FRAME}",
    "inertial": f"mass diaginertia fullinertia {_FRAME}",
    "joint": "name class type pos axis ref",
    "freejoint": "name",
    "geom": f"name class type contype conaffinity condim group size mass density margin gap fromto {_FRAME}",
    "site": f"name class type group size fromto {_FRAME}",
}
"""Element -> the attributes that say where bodies are and what touches what. None of them can name a file."""

_BODILESS = {"mesh", "hfield", "sdf"}


@dataclass(frozen=True)
class CleanModel:
    """Model XML that MuJoCo can compile without any other file, and what had to be left out for that."""

    xml: str
    notes: tuple[str, ...]


def clean(xml: str) -> CleanModel:
    """Reduce stored model XML to what poses and contacts need.

    Kept are the body tree with joints, inertias, sites and geoms of primitive shape, so that the length of the state
    and every pose stay as they were. Geoms made of meshes are left out and noted; where a body would lose all its mass
    with them, the compiler's lower bounds stand in. The result is for `mj_kinematics` and contacts, not for stepping.

    Raises:
        HostileFileError: The XML includes another file, declares entities, or is larger than the limits of `mjcf`.
        LayoutError: It is no MuJoCo model.
    """
    root = mjcf.parse(xml)
    dropped: Counter[str] = Counter()
    _keep_known(root, dropped)
    compiler = root.find("compiler")
    if compiler is None:
        compiler = ET.Element("compiler")
        root.insert(0, compiler)
    # geoms that are gone take their mass with them, and older MuJoCo let inertias pass that newer ones refuse
    compiler.attrib.update(balanceinertia="true", boundmass="1e-6", boundinertia="1e-9")
    return CleanModel(ET.tostring(root, encoding="unicode"), _notes(dropped))


@lru_cache(maxsize=4)
def load(xml: str) -> tuple[mujoco.MjModel, tuple[str, ...]]:
    """The cleaned model and the notes of `clean`; the last few are kept, because episodes often share a model.

    Raises:
        HostileFileError: As `clean`.
        LayoutError: It is no MuJoCo model, or MuJoCo cannot compile what is left of it.
    """
    cleaned = clean(xml)
    try:
        return mujoco.MjModel.from_xml_string(cleaned.xml), cleaned.notes
    except ValueError as error:
        raise LayoutError(f"the model XML does not compile, even without its assets: {error}") from error


def _keep_known(element: ET.Element, dropped: Counter[str]) -> None:
    """Remove, below and in `element`, whatever is not in `_KEPT`; count what can matter to contacts."""
    for child in list(element):
        if child.tag not in _KEPT or (child.tag == "geom" and _needs_asset(child)):
            dropped[child.tag] += 1
            element.remove(child)
        else:
            _keep_known(child, dropped)
    allowed = _KEPT[element.tag].split()
    element.attrib = {name: value for name, value in element.attrib.items() if name in allowed}


def _needs_asset(geom: ET.Element) -> bool:
    return geom.get("type") in _BODILESS or any(name in geom.attrib for name in ("mesh", "hfield"))


def _notes(dropped: Counter[str]) -> tuple[str, ...]:
    notes = []
    if dropped["geom"]:
        notes.append(f"{dropped['geom']} geoms made of meshes were left out: they can touch nothing")
    changes = sorted({"replicate", "composite", "flexcomp", "attach"} & set(dropped))
    if changes:
        notes.append(f"elements that add bodies were left out: {', '.join(changes)}")
    return tuple(notes)
