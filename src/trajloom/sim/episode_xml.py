"""The model of one episode: changed in place, and written out, without compiling anything larger than one box."""

import re
import xml.etree.ElementTree as ET
from copy import deepcopy

import mujoco
import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SettingsError
from trajloom.sim.placement import Placement
from trajloom.sim.world import World

_ASSETS = re.compile(r'file="[^"]*?(robosuite/models/assets/[^"]*)"')

# what decides a box's mass and whether it counts
_MASS = ("type", "density", "mass", "group", "contype", "conaffinity")


class EpisodeModel:
    """A compiled model whose fixed bodies and boxes move and grow from one episode to the next.

    Only what a task's placements name changes; everything else stays as robosuite compiled it.
    """

    def __init__(self, world: World, xml: str):
        """Keep the XML that the model was compiled from; asset paths become relative to robosuite's own folder."""
        self.world = world
        self._root = ET.fromstring(_ASSETS.sub(r'file="\1"', xml))
        self._bodies = {body.get("name"): body for body in self._root.iter("body")}
        self._template: tuple[tuple[str, ...], str] | None = None

    def apply(self, placement: Placement) -> None:
        """Change the model to a placement: sizes, masses and inertias of boxes; fixed bodies are put by the world."""
        for body, half in placement.sizes.items():
            self._resize(body, half)
        if placement.sizes:
            mujoco.mj_setConst(self.world.model, self.world.data)

    def _resize(self, body: str, half: NDArray[np.float64]) -> None:
        """Give a body's boxes new half sizes, with what MuJoCo's compiler makes of them for that body alone."""
        alone = mujoco.MjModel.from_xml_string(_alone(self._root.find("compiler"), self._bodies[body], half))
        model, i = self.world.model, self.world.id("body", body)
        for name in ("body_mass", "body_inertia", "body_ipos", "body_iquat"):
            getattr(model, name)[i] = getattr(alone, name)[1]
        first, count = int(model.body_geomadr[i]), int(model.body_geomnum[i])
        for name in ("geom_size", "geom_rbound", "geom_aabb"):
            getattr(model, name)[first : first + count] = getattr(alone, name)
        nodes = slice(int(model.body_bvhadr[i]), int(model.body_bvhadr[i] + model.body_bvhnum[i]))
        model.bvh_aabb[nodes] = alone.bvh_aabb[int(alone.body_bvhadr[1]) :][: model.body_bvhnum[i]]

    def xml(self, placement: Placement) -> str:
        """The XML of an episode, with its sizes and the poses of its fixed bodies at full precision.

        Assets are named as `robosuite/models/assets/...`: robosuite's `edit_model_xml`, which robomimic calls on every
        model that it loads, finds its own installation from that.
        """
        values = {key: _numbers(value) for key, value in _changes(self.world, placement)}
        keys = tuple(values)
        if self._template is None or self._template[0] != keys:
            self._template = keys, self._marked(keys)
        text = self._template[1]
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        return text

    def _marked(self, keys: tuple[str, ...]) -> str:
        """The XML with a mark in the place of everything that changes."""
        root = deepcopy(self._root)
        bodies = {body.get("name"): body for body in root.iter("body")}
        for key in keys:
            attribute, body = key.split(" ", 1)
            for element in bodies[body].findall("geom") if attribute == "size" else [bodies[body]]:
                element.set(attribute, f"@{key}@")
        return ET.tostring(root, encoding="unicode")


def _changes(world: World, placement: Placement) -> list[tuple[str, NDArray[np.float64]]]:
    """What the XML must say of a placement, keyed by "attribute body"; where free bodies are is part of the state."""
    changes = [(f"size {body}", half) for body, half in placement.sizes.items()]
    for body, (position, quat) in placement.poses.items():
        if not world.is_free(body):
            changes += [(f"pos {body}", position), (f"quat {body}", quat)]
    return changes


def _alone(compiler: ET.Element | None, body: ET.Element, half: NDArray[np.float64]) -> str:
    """XML of a model with nothing but one free body made of boxes of that size."""
    root = ET.Element("mujoco")
    if compiler is not None:
        root.append(compiler)
    free = ET.SubElement(ET.SubElement(root, "worldbody"), "body")
    ET.SubElement(free, "freejoint")
    for geom in body.findall("geom"):
        if geom.get("type") != "box":
            raise SettingsError(f"only boxes can be resized; {body.get('name')} has a {geom.get('type')}")
        kept = {key: value for key in _MASS if (value := geom.get(key)) is not None}
        ET.SubElement(free, "geom", {**kept, "size": _numbers(half)})
    return ET.tostring(root, encoding="unicode")


def _numbers(values: NDArray[np.float64]) -> str:
    """Numbers as XML, so that reading them gives the same bits."""
    return " ".join(repr(float(value)) for value in values)
