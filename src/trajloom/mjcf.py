"""Model XML that a demonstration carries, read as what it is: text that came with data.

What stands still in a model can be read off it without MuJoCo: where a robot's base is, how a gripper sits on a hand.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import numpy as np

from trajloom.errors import HostileFileError, LayoutError
from trajloom.poses import Poses, make, rotation_from_quat

MAX_BYTES = 16 * 2**20
"""Longest model XML that is read; robosuite's own are below 0.1 MB."""
MAX_ELEMENTS = 50_000
MAX_DEPTH = 100

_ORIENTATIONS = ("axisangle", "xyaxes", "zaxis", "euler")


def parse(xml: str) -> ET.Element:
    """The tree of a stored model.

    Raises:
        HostileFileError: The XML includes another file, declares entities, or is larger than the limits of this module.
        LayoutError: It is no MuJoCo model.
    """
    if len(xml) > MAX_BYTES:
        raise HostileFileError(f"model XML is {len(xml)} characters long; at most {MAX_BYTES} are read")
    if "<!" in xml.replace("<!--", ""):
        raise HostileFileError("model XML declares a document type or entities; a MuJoCo model needs neither")
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise LayoutError(f"the model is no XML: {error}") from error
    if root.tag != "mujoco":
        raise LayoutError(f"the model XML must be a <mujoco> element, got <{root.tag}>")
    _check_size(root)
    if root.find(".//include") is not None:
        raise HostileFileError("model XML includes another file; a demonstration's model must stand alone")
    return root


def _check_size(root: ET.Element) -> None:
    level, depth, elements = [root], 0, 0
    while level:
        elements, depth = elements + len(level), depth + 1
        if elements > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise HostileFileError(f"model XML has over {MAX_ELEMENTS} elements or is nested over {MAX_DEPTH} deep")
        level = [child for element in level for child in element]


def pose_in_world(root: ET.Element, kind: str, name: str) -> Poses:
    """(4, 4). The pose of a site or body that never moves; LayoutError where it is not there, or moves."""
    return _pose(_path(root, kind, name), name)


def site_in_body(root: ET.Element, site: str, body: str) -> Poses:
    """(4, 4). The pose of a site seen from a body that it is fixed to; LayoutError where it is not."""
    path = _path(root, "site", site)
    above = [element.get("name") if element.tag == "body" else None for element in path]
    if body not in above:
        raise LayoutError(f"site {site} is not part of body {body}; it is part of: {', '.join(filter(None, above))}")
    return _pose(path[above.index(body) + 1 :], site)


def has(root: ET.Element, kind: str, name: str) -> bool:
    """Whether the model has a site or body of this name."""
    return any(element.get("name") == name for element in root.iter(kind))


def _path(root: ET.Element, kind: str, name: str) -> Sequence[ET.Element]:
    """The elements from below the world's body down to one."""
    todo = [(child, (child,)) for world in root.findall("worldbody") for child in world]
    while todo:
        element, path = todo.pop()
        if element.tag == kind and element.get("name") == name:
            return path
        todo += [(child, (*path, child)) for child in element]
    there = sorted(filter(None, (element.get("name") for element in root.iter(kind))))
    raise LayoutError(f"the model has no {kind} named {name}; there are: {', '.join(there) or 'none'}")


def _pose(path: Sequence[ET.Element], name: str) -> Poses:
    pose = np.eye(4)
    for element in path:
        if element.tag == "body" and (element.get("mocap") or any(c.tag in ("joint", "freejoint") for c in element)):
            raise LayoutError(f"{name} moves: {element.get('name')} between it and where it is seen from has a joint")
        pose = pose @ _own_pose(element)
    return pose


def _own_pose(element: ET.Element) -> Poses:
    """(4, 4). Where an element is in the one that it stands in."""
    other = [word for word in _ORIENTATIONS if word in element.attrib]
    if other:
        raise LayoutError(f"{element.tag} {element.get('name')} says its rotation as {other[0]}; quat is what we read")
    quat = _numbers(element, "quat", (1.0, 0.0, 0.0, 0.0))
    if not quat.any():
        raise LayoutError(f"{element.tag} {element.get('name')} has a quat of zeros, which is no rotation")
    return make(_numbers(element, "pos", (0.0, 0.0, 0.0)), rotation_from_quat(quat))


def _numbers(element: ET.Element, word: str, default: Sequence[float]) -> Poses:
    try:
        found = np.array(element.get(word, "").split() or default, dtype=np.float64)
    except ValueError:
        found = np.full(0, np.nan)
    if found.shape != (len(default),) or not np.isfinite(found).all():
        raise LayoutError(f"{element.tag} {element.get('name')}: {word} must be {len(default)} numbers")
    return found
