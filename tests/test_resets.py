"""Our resets have robosuite's distribution, and MimicGen's published one where robosuite has none.

robosuite's own samplers are the reference; with the published ranges where a variant is not robosuite's own. From the
same random numbers must come the same places; and over many draws each coordinate, each turn and each distance between
two objects must have the same law.
"""

from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

import mujoco
from robosuite.models.objects import BoxObject
from robosuite.utils.placement_samplers import SequentialCompositeSampler, UniformRandomSampler
from scipy.stats import ks_2samp, kstest

from trajloom.sim import backend, tasks
from trajloom.sim.placement import Pose, Region, draw
from trajloom.sim.scene import RobosuiteScene, make_scene
from trajloom.sim.tasks.square import NUT, PEG
from trajloom.sim.tasks.stack import CUBE_A, CUBE_B
from trajloom.sim.world import turn

pytestmark = pytest.mark.sim

DRAWS = 400
ALPHA = 1e-3
"""Two samples with a p-value below this differ. Seeds are fixed, so what passes once passes always."""
OWN = ("lift", "stack", "square", "door", "pick_place")
"""The tasks whose D0 is robosuite's own."""
TABLE = (0.0, 0.0, 0.8)
IN_MODEL = (
    *("body_pos", "body_quat", "body_mass", "body_inertia", "body_ipos", "body_iquat", "body_invweight0"),
    *("geom_size", "geom_rbound", "geom_aabb", "dof_M0", "dof_invweight0", "actuator_acc0"),
)
"""What a placement can change of a model."""

Vector = NDArray[np.float64]
Places = dict[str, Pose]
Sample = Callable[[np.random.Generator], Places]


@cache
def scene_of(task: str) -> RobosuiteScene:
    return make_scene(task, loop="robosuite")


def of_sampler(sampler: Any) -> Sample:
    """A robosuite sampler as a function of the generator that it draws from: only what an episode uses."""

    def sample(rng: np.random.Generator) -> Places:
        for one in (sampler, *getattr(sampler, "samplers", {}).values()):
            one.rng = rng
        placed = sampler.sample().values()
        return {thing.root_body: (np.array(position), np.array(quat)) for position, quat, thing in placed}

    return sample


def uniform(name: str, things: Any, xy: Any, **kwargs: Any) -> Any:
    """robosuite's sampler of places in a rectangle on a table."""
    x, y = xy
    return UniformRandomSampler(
        name, things, x, y, ensure_object_boundary_in_range=False, **{"reference_pos": TABLE, **kwargs}
    )


def cubes(*halves: float) -> list[Any]:
    """robosuite's cubes A, B, C with half sides in metres."""
    return [BoxObject(f"cube{letter}", size=[half] * 3) for letter, half in zip("ABC", halves, strict=False)]


def stacking(reach: float, *halves: float) -> Sample:
    return of_sampler(uniform("cubes", cubes(*halves), [(-reach, reach)] * 2, z_offset=0.01))


def square_with_peg(peg_xy: Any, peg_turn: Any, nut_xy: Any) -> Sample:
    """The nut as robosuite places it, beside a peg that stands anywhere in a rectangle."""
    table = (0.0, 0.0, 0.82)
    nut = next(nut for nut in scene_of("square").env.nuts if nut.root_body == NUT)
    # a stand-in as wide as the peg, whose origin gets to where the peg's is
    peg = BoxObject("peg", size=[0.016, 0.016, 0.1])
    sampler = SequentialCompositeSampler("both")
    sampler.append_sampler(uniform("peg", peg, peg_xy, rotation=peg_turn, reference_pos=table, z_offset=0.03 - 0.1))
    sampler.append_sampler(uniform("nut", nut, nut_xy, reference_pos=table, z_offset=0.02))
    sample = of_sampler(sampler)

    def renamed(rng: np.random.Generator) -> Places:
        places = sample(rng)
        return {PEG: places.pop("peg_main"), **places}

    return renamed


def of_environment(env: Any) -> Sample:
    """What robosuite's environment draws at a reset, without the objects that it then takes away."""
    sample, things = of_sampler(env.placement_initializer), getattr(env, "nuts", getattr(env, "objects", []))
    gone = {thing.root_body for thing in things if thing.name != env.obj_to_use}
    return lambda rng: {body: pose for body, pose in sample(rng).items() if body not in gone}


def of_lift(env: Any) -> Sample:
    """Lift draws the cube's size first, when it loads its model; here as then, but without loading it."""
    sample = of_environment(env)

    def with_size(rng: np.random.Generator) -> Places:
        env.cube.size = np.array([rng.uniform(0.020, 0.022) for _ in range(3)])
        return sample(rng)

    return with_size


def of_square(env: Any) -> Sample:
    """We draw the peg's place first, also in D0, where it has but one and robosuite draws none."""
    sample = of_environment(env)

    def after_the_peg(rng: np.random.Generator) -> Places:
        rng.random(3)
        return sample(rng)

    return after_the_peg


def robosuites(task: str, variant: str) -> Sample:
    """Where robosuite puts the objects; with the ranges published for MimicGen where a variant is not robosuite's."""
    if variant == "D0" and task in OWN:
        return {"lift": of_lift, "square": of_square}.get(task, of_environment)(scene_of(task).env)
    mimicgens: dict[tuple[str, str], Callable[[], Sample]] = {
        ("stack", "D1"): lambda: stacking(0.2, 0.02, 0.025),
        ("stack_three", "D0"): lambda: stacking(0.1, 0.02, 0.025, 0.02),
        ("stack_three", "D1"): lambda: stacking(0.2, 0.02, 0.025, 0.02),
        ("square", "D1"): lambda: square_with_peg(
            [(-0.1, 0.3), (-0.2, 0.2)], (0, 0), [(-0.115, 0.115), (-0.255, 0.255)]
        ),
        ("square", "D2"): lambda: square_with_peg([(-0.25, 0.25)] * 2, (0, np.pi / 2), [(-0.25, 0.25)] * 2),
    }
    return mimicgens[task, variant]()


def ours(task: str, variant: str) -> Sample:
    return lambda rng: tasks.get(task).place(variant, rng).poses


def coordinates(pose: Pose) -> Vector:
    """(4,). x, y, z in metres and the turn about the vertical in [0, 2 pi)."""
    position, quat = pose
    return np.array([*position, np.round(turn(quat), 9) % (2 * np.pi)])


def drawn(sample: Sample, bodies: list[str], seed: int) -> dict[str, Vector]:
    """Columns (N,) of many draws: each coordinate of each body, and each distance between two in the plane."""
    rng = np.random.default_rng(seed)
    places = [sample(rng) for _ in range(DRAWS)]
    rows = {body: np.array([coordinates(some[body]) for some in places]) for body in bodies}
    columns = {f"{body} {'xyzw'[k]}": rows[body][:, k] for body in bodies for k in range(4)}
    for one, other in combinations(bodies, 2):
        columns[f"{one} to {other}"] = np.linalg.norm(rows[one][:, :2] - rows[other][:, :2], axis=1)
    return columns


def differences(some: Sample, others: Sample) -> dict[str, float]:
    """The columns that do not have the same law, with the p-value of their Kolmogorov-Smirnov test."""
    bodies = list(others(np.random.default_rng(0)))
    assert bodies
    first, second = drawn(some, bodies, 1), drawn(others, bodies, 2)
    # rounded, since constants need not be equal to the last bit
    values = {
        name: float(ks_2samp(first[name].round(9), second[name].round(9), method="asymp").pvalue) for name in first
    }
    return {name: value for name, value in values.items() if value < ALPHA}


VARIANTS = [(task, variant) for task in tasks.names() for variant in tasks.get(task).variants]


@pytest.mark.parametrize(("task", "variant"), VARIANTS)
def test_the_same_chance_puts_objects_where_robosuite_puts_them(task, variant):
    sample, reference = ours(task, variant), robosuites(task, variant)
    for seed in range(20):
        places = sample(np.random.default_rng(seed))
        for body, pose in reference(np.random.default_rng(seed)).items():
            np.testing.assert_allclose(coordinates(places[body]), coordinates(pose), atol=1e-8, err_msg=body)


@pytest.mark.parametrize(("task", "variant"), VARIANTS)
def test_places_have_the_same_law_as_robosuites(task, variant):
    assert not differences(ours(task, variant), robosuites(task, variant))


def regions(reach: float, radius: float) -> Sample:
    """Two cubes as in Stack, but for what is wrong."""
    both = [Region(body, (-reach, reach), (-reach, reach), 0.83, radius) for body in (CUBE_A, CUBE_B)]
    return lambda rng: draw(both, (0.0, 0.0), rng)


@pytest.mark.parametrize(
    ("wrong", "seen"),
    [
        (regions(0.12, 0.03), f"{CUBE_A} x"),
        (regions(0.08, 0.0), f"{CUBE_A} to {CUBE_B}"),
        (
            lambda rng: {body: (position, np.eye(4)[0]) for body, (position, _) in regions(0.08, 0.03)(rng).items()},
            f"{CUBE_A} w",
        ),
    ],
    ids=["range", "overlaps", "turn"],
)
def test_a_wrong_law_is_seen(wrong, seen):
    assert seen in differences(wrong, robosuites("stack", "D0"))


def test_the_cube_of_lift_has_the_sizes_of_robosuites():
    env = backend.make_env(tasks.get("lift"), "Panda", None, 20)
    for seed in range(3):
        env.rng = np.random.default_rng(seed)
        env._load_model()
        size = tasks.get("lift").place("D0", np.random.default_rng(seed)).sizes["cube_main"]
        np.testing.assert_array_equal(size, env.cube.size)


@pytest.mark.parametrize("task", OWN)
def test_a_reset_is_robosuites_but_for_what_is_drawn(task):
    scene = scene_of(task)
    scene.reset(np.random.default_rng(3))
    mine = snapshot(scene)
    scene.env.reset()
    theirs = snapshot(scene)
    for name, value in mine.items():
        np.testing.assert_allclose(value, theirs[name], atol=1e-12, err_msg=name)


def snapshot(scene: RobosuiteScene) -> dict[str, Vector]:
    """State and model, without what a reset draws: the arm's joints, objects and the sizes of boxes."""
    model, data, drawn_joints = scene.model, scene.data, np.zeros(scene.model.nq, dtype=bool)
    drawn_joints[scene._arm_joints] = True
    drawn_bodies = np.zeros(model.nbody, dtype=bool)
    for body, (position, _) in scene.placement.poses.items():
        if position[0] == 10.0 or "Visual" in body or body == "peg1":
            continue  # always in the same place
        if scene.world.is_free(body):
            start = int(model.jnt_qposadr[model.body_jntadr[scene.world.id("body", body)]])
            drawn_joints[start : start + 7] = True
        else:
            drawn_bodies[scene.world.id("body", body)] = True
    return {
        "qpos": data.qpos[~drawn_joints],
        "qvel": data.qvel.copy(),
        "ctrl": data.ctrl.copy(),
        "time": np.array(data.time),
        "body_pos": model.body_pos[~drawn_bodies],
        "body_quat": model.body_quat[~drawn_bodies],
    }


@pytest.mark.parametrize(("task", "variant"), [("lift", "D0"), ("square", "D2")])
def test_what_a_reset_draws_into_the_model_is_what_compiling_its_xml_gives(task, variant):
    scene = scene_of(task)
    before, scene.variant = scene.variant, variant
    scene.reset(np.random.default_rng(8))
    compiled = mujoco.MjModel.from_xml_string(scene.env.edit_model_xml(scene.model_xml()))
    for name in IN_MODEL:
        np.testing.assert_allclose(getattr(scene.model, name), getattr(compiled, name), rtol=1e-12, err_msg=name)
    scene.variant = before


def test_the_arm_starts_with_robosuites_noise():
    scene = scene_of("lift")
    joints, noise = scene._arm_joints, []
    for seed in range(60):
        scene.reset(rng := np.random.default_rng(seed))
        mine = scene.data.qpos[joints].copy()
        # robosuite draws its robots' joints after the model and before the places; we draw them last
        tasks.get("lift").place("D0", rng := np.random.default_rng(seed))
        scene.robot.reset(rng=rng)
        np.testing.assert_array_equal(mine, scene.data.qpos[joints])
        noise.append(mine - scene.robot.init_qpos)
    assert kstest(np.ravel(noise), "norm", (0, 0.02)).pvalue > ALPHA
    assert kstest(np.ravel(noise), "norm", (0, 0.025)).pvalue < ALPHA
