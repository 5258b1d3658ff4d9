"""HDF5 files as odd as they come: every element type, shape, attribute, link and layout that one may meet."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s
from hypothesis import strategies as st

PAIR = np.dtype([("a", "<i4"), ("b", ">f8"), ("c", "S3"), ("d", "<f4", (2,))])
DEEP = np.dtype([("name", h5py.string_dtype()), ("values", h5py.vlen_dtype(np.float32)), ("k", "<i2")])
DTYPES = {
    **{name: np.dtype(name) for name in ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]},
    **{name: np.dtype(name) for name in [">f8", ">i4", ">u2", "c8", "c16", "S5", "V3"]},
    "utf8": h5py.string_dtype(),
    "ascii": h5py.string_dtype("ascii"),
    "fixed utf8": h5py.string_dtype("utf-8", 7),
    "ragged": h5py.vlen_dtype(np.int32),
    "pair": PAIR,
    "deep": DEEP,
    "enum": h5py.enum_dtype({"LEFT": 0, "RIGHT": 1}, basetype="u1"),
}
REGULAR = ["?", "i1", "i8", "u1", "f2", "f4", "f8"]
NAMES = [
    "rewards", "dones", "obs/x", "obs/image", "next_obs/x", "states", "episode_index", "frame_index", "timestamp",
    "name", "length", "success", "data/x", "data", "subtask/robot0", "trajloom/subtask/robot0", "größe/目標", "a b/c.d",
    "attrs", "deep/er/and/deeper", "é", "initial_state/joints", "observation", "model", "splits",
]  # fmt: skip
ATTRS: dict[str, Any] = {
    "text": "hé llo", "empty text": "", "bytes": np.bytes_(b"raw"), "not utf8": np.bytes_(b"\xff\xfe"), "int": 3,
    "int8": np.int8(-3), "uint64": np.uint64(2**64 - 1), "float": 0.1, "float32": np.float32(0.1),
    "half": np.float16(2), "nan": np.nan, "minus zero": -0.0, "true": True,
    "flags": np.array([True, False]), "vector": np.arange(3.0),
    "one": np.arange(1), "matrix": np.ones((2, 3), ">i2"), "nothing": h5py.Empty("f4"), "no rows": np.zeros((0, 2)),
    "names": ["a", "bé"], "complex": 1 + 2j, "pair": np.zeros((), PAIR), "opaque": np.void(b"abc"),
}  # fmt: skip
MASKS = ["S", "utf8", "unknown", "shuffled", "twice", "empty", "number"]
EXTRAS = ["group", "empty", "array", "type", "dangling", "alias", "in data", "hard", "reference"]
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gzip": {"compression": "gzip", "compression_opts": 7},
    "lzf": {"compression": "lzf", "shuffle": True},
    "checked": {"fletcher32": True},
    "growing": {"maxshape": "grow"},
    "guessed": {"chunks": True},
    "filled": {"fillvalue": 1},
    "compact": {"compact": True},
    "offset": {"scaleoffset": 0},
}


def values(rng: np.random.Generator, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Random values of any element type, NaN and infinity among them."""
    n = int(np.prod(shape))
    if dtype.kind == "O":
        flat = np.empty(n, dtype=object)
        text = h5py.check_string_dtype(dtype)
        for i in range(n):
            size = int(rng.integers(0, 4))
            flat[i] = (
                ("xé"[: 1 + (text.encoding == "utf-8")] * size) if text else rng.integers(-9, 9, size).astype("i4")
            )
        return flat.reshape(shape)
    if dtype == DEEP:
        flat = np.empty(n, dtype=DEEP)
        for i in range(n):
            flat[i] = (b"n" * (i % 3), rng.normal(size=i % 3).astype("f4"), i)
        return flat.reshape(shape)
    if dtype.metadata and "enum" in dtype.metadata:
        return rng.integers(0, 2, shape).astype(dtype)
    raw = rng.integers(0, 256, n * dtype.itemsize, dtype=np.uint8)
    if dtype.kind in "b":
        raw %= 2
    return np.frombuffer(raw.tobytes(), dtype=dtype).reshape(shape)


def add(group: h5py.Group, name: str, content: np.ndarray, dtype: np.dtype, layout: str) -> h5py.Dataset:
    """A dataset that lies in the file in a certain way, as far as its type and shape allow."""
    how = dict(LAYOUTS[layout])
    if how.pop("compact", False):
        return compact(group, name, content, dtype)
    if content.ndim == 0 or dtype.kind in "OV" or (layout == "offset" and dtype.kind not in "iu"):
        how = {}
    if layout == "filled" and dtype.kind not in "iuf?":
        how = {}
    if layout == "offset" and (dtype.str[0] == ">" or dtype.metadata or not content.size):
        how = {}
    if how.get("maxshape"):
        how["maxshape"] = (None, *content.shape[1:])
    if 0 in content.shape and how:
        how = {"maxshape": tuple(n or None for n in content.shape)}
    return group.create_dataset(name, data=content, dtype=dtype, **how)


def compact(group: h5py.Group, name: str, content: np.ndarray, dtype: np.dtype) -> h5py.Dataset:
    if dtype.kind == "O" or not content.size or content.ndim == 0 or content.nbytes > 30_000:
        return group.create_dataset(name, data=content, dtype=dtype)
    plist, links = h5p.create(h5p.DATASET_CREATE), h5p.create(h5p.LINK_CREATE)
    plist.set_layout(h5d.COMPACT)
    links.set_create_intermediate_group(True)
    kind = h5py.h5t.py_create(dtype, logical=True)
    made = h5d.create(group.id, name.encode(), kind, h5s.create_simple(content.shape), plist, links)
    dataset = h5py.Dataset(made)
    dataset[...] = content
    return dataset


@st.composite
def odd_files(draw: st.DrawFn) -> dict[str, Any]:
    """What `build` makes a file of."""
    few = st.integers(0, 3)
    numbers = draw(st.lists(st.integers(0, 12), max_size=4, unique=True))
    arrays = draw(
        st.lists(
            st.tuples(
                st.sampled_from(NAMES),
                st.sampled_from(["step", "step", "episode", "ragged", "scalar", "zero", "five"]),
                st.sampled_from([*REGULAR, *DTYPES]),
                st.sampled_from(sorted(LAYOUTS)),
                st.sampled_from([1.0, 1.0, 0.5]),
            ),
            max_size=6,
            unique_by=lambda array: array[0],
        )
    )
    return {
        "demos": [(n, draw(st.sampled_from([0, 1, 1, 2, 5]))) for n in numbers],
        "style": draw(st.sampled_from(["demo_{}", "demo_{}", "demo{}"])),
        "arrays": arrays,
        "attrs": draw(st.lists(st.sampled_from(sorted(ATTRS)), max_size=4, unique=True)),
        "meta": draw(st.sampled_from(["robomimic", "robosuite", "none", "wrong"])),
        "masks": draw(st.lists(st.sampled_from(MASKS), max_size=3, unique=True)),
        "extras": draw(st.lists(st.sampled_from(EXTRAS), max_size=3, unique=True)),
        "empty groups": draw(few),
        "seed": draw(st.integers(0, 2**32)),
    }  # fmt: skip


def build(path: Path, what: dict[str, Any]) -> None:
    """Make the file."""
    rng = np.random.default_rng(what["seed"])
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        demos = [_demo(data, what, number, length, rng) for number, length in what["demos"]]
        _meta(data, what, sum(length for _, length in what["demos"]))
        _attrs(file, what)
        _attrs(data, what)
        for kind in what["masks"]:
            _mask(file, kind, demos)
        for kind in what["extras"]:
            _extra(file, kind, demos)


def _demo(data: h5py.Group, what: dict[str, Any], number: int, length: int, rng: np.random.Generator) -> str:
    name = what["style"].format(number)
    demo = data.create_group(name)
    demo["actions"] = rng.normal(size=(length, 3))
    for path, shape, kind, layout, chance in what["arrays"]:
        # an episode that lacks the states that the others have is damaged
        if (rng.random() > chance and path != "states") or _is_taken(demo, path):
            continue
        dtype, rows = DTYPES[kind], int(rng.integers(0, 6))
        essential = path.startswith(("obs/", "next_obs/")) or path == "states"
        size = {
            "step": (length, 2), "episode": (3,), "ragged": (rows,), "scalar": (), "zero": (length, 0),
            "five": (length, 2, 1, 2, 2),
        }["step" if essential and shape == "ragged" else shape]  # fmt: skip
        dataset = add(demo, path, values(rng, dtype, size), dtype, layout if rng.random() < 0.8 else "plain")
        if rng.random() < 0.3:
            _attrs(dataset, what)
        if rng.random() < 0.3 and dataset.parent != demo:
            _attrs(dataset.parent, what)
    for i in range(what["empty groups"]):
        demo.create_group(f"empty{i}/inner" if i % 2 else f"empty{i}")
    _attrs(demo, what)
    if what["meta"] != "none":
        demo.attrs["num_samples"] = length - (what["meta"] == "wrong")
        demo.attrs["model_file"] = f"<mujoco model='{number % 2}'/>"
    return name


def _is_taken(demo: h5py.Group, path: str) -> bool:
    steps = path.split("/")
    above = ["/".join(steps[: i + 1]) for i in range(len(steps))]
    return path in demo or any(isinstance(demo.get(prefix), h5py.Dataset) for prefix in above)


def _meta(data: h5py.Group, what: dict[str, Any], total: int) -> None:
    match what["meta"]:
        case "robomimic" | "wrong":
            data.attrs["total"] = total + 7 * (what["meta"] == "wrong")
            data.attrs["env_args"] = '{"env_name": "Lift", "type": 1,\n "env_kwargs": {"control_freq": 20}}'
        case "robosuite":
            data.attrs.update(env="Lift", env_info='{"robots": "Panda"}', repository_version="1.4.1")


def _attrs(owner: h5py.HLObject, what: dict[str, Any]) -> None:
    for name in what["attrs"]:
        owner.attrs[name] = ATTRS[name]


def _mask(file: h5py.File, kind: str, demos: list[str]) -> None:
    names = demos[::2]
    match kind:
        case "S":
            file["mask/train"] = np.array(names or ["none"], dtype="S")
        case "utf8":
            file.create_dataset("mask/valid", data=names, dtype=h5py.string_dtype(), shape=(len(names),))
        case "unknown":
            file["mask/gone"] = np.array([*names, "demo_999"], dtype="S12")
        case "shuffled":
            file["mask/shuffled"] = np.array(list(reversed(demos)) or ["x"], dtype="S20")
        case "twice":
            file["mask/twice"] = np.array([*names, *names, "demo_999"], dtype="S20")
        case "empty":
            file.create_dataset("mask/nobody", shape=(0,), dtype="S6", maxshape=(None,), chunks=(4,))
        case "number":
            file["mask/number"] = np.arange(3)
    file["mask"].attrs["by"] = "me"


def _extra(file: h5py.File, kind: str, demos: list[str]) -> None:
    match kind:
        case "group":
            file["more/of/this"] = np.arange(4, dtype=">i4")
            file["more"].attrs["note"] = "kept"
        case "empty":
            file.create_group("nothing").attrs["note"] = "here"
        case "array":
            file.create_dataset("array", data=h5py.Empty("f8")).attrs["note"] = 1
        case "type":
            file["kind"] = np.dtype("<f4")
        case "dangling" if demos:
            file["data/gone"] = h5py.SoftLink("/nowhere/at/all")
        case "in data" if demos:
            file["data/notes"] = "free text"
            file["data/demo_x/values"] = np.arange(2)
        case "hard" if demos:
            file["again"] = file[f"data/{demos[0]}/actions"]
        case "reference" if demos:
            target = file[f"data/{demos[0]}/actions"].ref
            file["data"].attrs["first"] = target
            file["references"] = np.array([target, h5py.Reference()], dtype=h5py.ref_dtype)
        case "alias" if demos:
            file[f"data/{demos[0]}/alias"] = h5py.SoftLink("actions")
