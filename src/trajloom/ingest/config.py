"""The settings of an ingestion."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, Literal

from trajloom.errors import SettingsError, UnknownNameError

UNITS = {"ns": 1e9, "us": 1e6, "μs": 1e6, "µs": 1e6, "ms": 1e3, "s": 1.0}
"""Unit of `timestamp` -> how many make a second."""
VIDEO_CODECS = ("auto", "rawvideo")
RAW_CODECS = (None, "rawvideo", "rawvideo_pyarrow")
RAY = ("num_cpus", "object_store_memory")
WHERE = ("output_directory", "num_workers", "ray_init_kwargs", "client", "scratch")
"""Settings that change no byte of what comes out, so that another call may have others and go on."""


@dataclass(frozen=True)
class IngestionConfig:
    """How items become a dataset."""

    output_directory: str
    """Folder or fsspec URL of the dataset."""
    _: KW_ONLY
    trajectory_prefix: str = "trajectory"
    """Beginning of the names of trajectories that nobody names: `trajectory_000000`."""
    num_workers: int = 4
    """Processes, at most one a core; few items, or items that nothing is computed of, need none but this one."""
    batch_size: int = 1
    """The number of trajectories in every part of the dataset is a multiple of this."""
    ray_init_kwargs: Mapping[str, Any] | None = None
    """`num_cpus`: no more workers than this; `object_store_memory`: bytes of items on their way to workers."""
    time_unit: str = "ms"
    """Unit of the items' `timestamp`: ns, us, ms or s."""
    enforce_monotonic: bool = True
    """Whether a timestamp that is not after the one before becomes 1 ms later than that, which the header says."""
    video_codec: str = "auto"
    """"auto" or "rawvideo": frames are kept as they are, without loss."""
    raw_codec: str | None = None
    """None, "rawvideo" or "rawvideo_pyarrow": arrays are kept in Parquet."""
    codec_options: Mapping[str, Any] | None = None
    """Refused: there is nothing to set."""
    shuffle_items: bool = False
    """Whether items are put in another order before they are grouped: indices and lists all of them, what an iterator
    gives within a window of `shuffle_buffer` items."""
    max_items_per_trajectory: int | None = None
    """Longer trajectories go on in a further one."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """More about the dataset, kept as attributes in its header."""
    fps: float = 10.0
    """Steps a second of trajectories whose items have no `timestamp`."""
    item: Literal["auto", "step", "trajectory"] = "auto"
    """What an item is: one step; or many, as arrays (T, ...). Told by a common first length, unless it is said."""
    max_items: int | None = None
    """Take no more items than this."""
    seed: int = 0
    """Decides the order of `shuffle_items`, and what your functions draw from `random` and `np.random`."""
    shuffle_buffer: int = 1000
    """Items held to shuffle what an iterator gives."""
    client: Any = None
    """A Dask client, or the address of a scheduler, whose workers are used from the second part on."""
    scratch: str | None = None
    """Folder or URL that all workers read; by default beside the output."""

    def __post_init__(self) -> None:
        faults = [*self._small(), *self._choices(), *self._codecs(), *self._ray()]
        if faults:
            raise SettingsError("; ".join(faults))

    def _small(self) -> list[str]:
        names = ("num_workers", "batch_size", "max_items_per_trajectory", "max_items", "shuffle_buffer")
        least = [(name, value) for name in names if (value := getattr(self, name)) is not None and value < 1]
        return [f"{name} must be >= 1, got {value}" for name, value in least] + (
            [] if self.fps > 0 else [f"fps must be > 0, got {self.fps}"]
        )

    def _choices(self) -> list[str]:
        known = {"time_unit": UNITS, "item": ("auto", "step", "trajectory")}
        wrong = [name for name, values in known.items() if getattr(self, name) not in values]
        return [f"{n} must be one of {', '.join(known[n])}; got {getattr(self, n)!r}" for n in wrong]

    def _codecs(self) -> list[str]:
        faults = []
        if self.video_codec not in VIDEO_CODECS:
            faults.append(
                f"video_codec {self.video_codec!r} cannot be: frames are kept without loss; there are: "
                f"{', '.join(VIDEO_CODECS)}. Write the dataset as LeRobot or MP4 afterwards to have videos"
            )
        if self.raw_codec not in RAW_CODECS:
            faults.append(
                f"raw_codec {self.raw_codec!r} cannot be: arrays are kept in Parquet and never pickled; there are: "
                f"{', '.join(str(codec) for codec in RAW_CODECS)}"
            )
        if self.codec_options:
            faults.append(f"codec_options {dict(self.codec_options)}: there is no codec that they could set")
        return faults

    def _ray(self) -> list[str]:
        given = self.ray_init_kwargs or {}
        unknown = sorted(set(given) - set(RAY))
        faults = (
            [f"ray_init_kwargs {', '.join(unknown)}: Dask runs this; there are: {', '.join(RAY)}"] if unknown else []
        )
        wrong = [name for name in RAY if given.get(name) is not None and not given[name] >= 1]
        return faults + [f"ray_init_kwargs {name} must be >= 1, got {given[name]}" for name in wrong]

    @property
    def workers(self) -> int:
        """Processes that were asked for."""
        return min(self.num_workers, int((self.ray_init_kwargs or {}).get("num_cpus") or self.num_workers))

    @property
    def memory(self) -> int | None:
        """Bytes of items that may be on their way to workers."""
        return (self.ray_init_kwargs or {}).get("object_store_memory")

    def identity(self) -> dict[str, Any]:
        """The settings that decide what comes out, as JSON values."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in WHERE}

    @classmethod
    def of(cls, output_directory: str, given: Mapping[str, Any]) -> "IngestionConfig":
        """From keyword arguments; UnknownNameError where there is no such setting."""
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise UnknownNameError("setting of an ingestion", unknown[0], known)
        return cls(output_directory=output_directory, **given)
