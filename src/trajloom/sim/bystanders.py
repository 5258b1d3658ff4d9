"""Objects that robosuite's environment has and a task has no use for: they float where they are put, touching nothing.

robosuite drops them far away. On the floor there, the round nut of Square alone adds 36 contacts to every step, half of
the physics' time. The change stands in the XML of every episode, as repairs do; nothing else in the scene feels it.
"""

import xml.etree.ElementTree as ET
from collections.abc import Collection


def set_aside(bodies: Collection[str], xml: str) -> str:
    """The XML of a model in which some bodies, with all that belongs to them, neither fall nor collide."""
    if not bodies:
        return xml
    root = ET.fromstring(xml)
    for body in root.iter("body"):
        if body.get("name") in bodies:
            _float(body)
    return ET.tostring(root, encoding="unicode")


def _float(body: ET.Element) -> None:
    for part in body.iter("body"):
        part.set("gravcomp", "1")
    for geom in body.iter("geom"):
        geom.set("contype", "0")
        geom.set("conaffinity", "0")
