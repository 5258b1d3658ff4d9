"""Stored model XML: what is kept, what is left out, and what is refused."""

from pathlib import Path

import h5py
import mujoco
import pytest

from trajloom import mjcf
from trajloom.errors import HostileFileError, LayoutError
from trajloom.sim import model_xml

DEMOS = Path(__file__).parents[1] / "examples/data/robomimic_lift_ph10_lowdim.hdf5"

pytestmark = pytest.mark.sim

ARM = """<mujoco>
  <size njmax="5000"/>
  <asset><mesh name="hand" file="{file}"/><texture name="wood" type="2d" file="{file}"/></asset>
  <worldbody>
    <geom name="floor" type="plane" size="1 1 0.1" material="wood" shellinertia="true"/>
    <body name="hand" pos="0 0 1">
      <joint name="wrist" type="hinge" axis="0 0 1" no_such_attribute="1"/>
      <geom name="hand_mesh" type="mesh" mesh="hand"/>
      <site name="grip" pos="0 0 -0.1"/>
      <body name="cube" pos="0.1 0 0"><geom name="cube" type="box" size="0.02 0.02 0.02"/></body>
    </body>
  </worldbody>
  <actuator><motor joint="wrist"/></actuator>
</mujoco>"""


@pytest.fixture(scope="module")
def stored() -> str:
    """The model of a demonstration recorded in 2021 on another machine."""
    with h5py.File(DEMOS) as file:
        return str(file["data/demo_0"].attrs["model_file"])


def test_a_model_of_another_machine_loads_with_all_its_joints_and_bodies(stored):
    model, notes = model_xml.load(stored)
    assert (model.nq, model.nv, model.nbody) == (16, 15, stored.count("<body ") + 1)
    assert notes == ("23 geoms made of meshes were left out: they can touch nothing",)


def test_primitive_geoms_and_sites_are_kept(stored):
    model, _ = model_xml.load(stored)
    for name in ("gripper0_finger1_pad_collision", "gripper0_finger2_pad_collision", "cube_g0", "table_collision"):
        assert mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, name) >= 0, name
    assert mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, "gripper0_grip_site") >= 0


def test_a_file_that_exists_is_not_opened_either(tmp_path):
    path = tmp_path / "hand.stl"
    path.write_text("not a mesh: opening it would be an error")
    cleaned = model_xml.clean(ARM.format(file=path))
    assert "file" not in cleaned.xml
    assert mujoco.MjModel.from_xml_string(cleaned.xml).nbody == 3


def test_unknown_attributes_and_lost_masses_do_no_harm():
    model, _ = model_xml.load(ARM.format(file="/nowhere/hand.stl"))
    assert model.nq == 1
    assert model.body("hand").mass[0] > 0


def test_cleaning_twice_is_cleaning_once(stored):
    once = model_xml.clean(stored)
    assert model_xml.clean(once.xml) == model_xml.CleanModel(once.xml, ())


def test_elements_that_would_add_bodies_are_noted():
    _, notes = model_xml.load("<mujoco><worldbody><replicate count='3'><body/></replicate></worldbody></mujoco>")
    assert notes == ("elements that add bodies were left out: replicate",)


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<mujoco><include file='/etc/passwd'/></mujoco>", "includes another file"),
        ("<mujoco><worldbody><body><include file='a.xml'/></body></worldbody></mujoco>", "includes another file"),
        ("<!DOCTYPE m [<!ENTITY a SYSTEM '/etc/passwd'>]><mujoco>&a;</mujoco>", "entities"),
        ("<mujoco>" + "<a/>" * mjcf.MAX_ELEMENTS + "</mujoco>", "elements"),
        ("<mujoco>" + "<body>" * 200 + "</body>" * 200 + "</mujoco>", "nested"),
        ("<mujoco>" + " " * mjcf.MAX_BYTES + "</mujoco>", "long"),
    ],
    ids=["include", "deep include", "entity", "elements", "depth", "length"],
)
def test_a_model_that_asks_for_more_than_its_text_is_refused(xml, message):
    with pytest.raises(HostileFileError, match=message):
        model_xml.clean(xml)


@pytest.mark.parametrize("xml", ["", "model_1.xml", "<mujoco>", "<robot/>"])
def test_what_is_no_model_is_said_to_be_none(xml):
    with pytest.raises(LayoutError):
        model_xml.load(xml)


def test_a_model_that_mujoco_refuses_is_a_layout_error():
    with pytest.raises(LayoutError, match="does not compile"):
        model_xml.load("<mujoco><worldbody><geom type='box' size='0 0 0'/></worldbody></mujoco>")
