"""Which source demonstration a subtask is made from. A strategy is a file here, or a subclass of yours with a NAME."""

import functools
import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trajloom.errors import SettingsError, UnknownNameError
from trajloom.poses import Poses
from trajloom.seeding import rng_from_globals, seeded_globals
from trajloom.task import DatagenInfo


@dataclass(frozen=True)
class Candidates:
    """What the built-in strategies need to know of N source segments, stacked."""

    eef_at_start: Poses
    """(N, 4, 4). Reached end-effector pose at each segment's first frame."""
    object_at_start: Poses | None
    """(N, 4, 4). Pose of the subtask's object at each segment's first frame; None where the subtask has no object."""

    def __len__(self) -> int:
        return len(self.eef_at_start)

    def some(self, which: np.ndarray) -> "Candidates":
        """Those of some indices (M,)."""
        return Candidates(
            self.eef_at_start[which], None if self.object_at_start is None else self.object_at_start[which]
        )

    @classmethod
    def from_infos(cls, infos: Sequence[DatagenInfo]) -> "Candidates":
        """From the segments' DatagenInfo, as `select_source_demo` gets them."""
        eef = np.stack([np.asarray(info.eef_pose)[0] for info in infos])
        if not infos[0].object_poses:
            return cls(eef, None)
        return cls(eef, np.stack([next(iter((info.object_poses or {}).values()))[0] for info in infos]))


_CLASSES: dict[tuple[str, str], type["MG_SelectionStrategy"]] = {}


class MG_SelectionStrategy(ABC):
    """Base of the selection strategies: a subclass with a `NAME` of its own is found under that name.

    Redefining a class (same module, same qualified name) replaces it; two different classes may not share a name.
    """

    NAME: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = _CLASSES.get((cls.__module__, cls.__qualname__))
        # what cloudpickle makes of a class that it has made before is empty, and thrown away
        if known is None or "NAME" not in known.__dict__ or "NAME" in cls.__dict__:
            cls.make_known()

    @classmethod
    def make_known(cls) -> None:
        """Let it be found by its name, as defining it does; one that came from another process needs to be told."""
        _CLASSES[(cls.__module__, cls.__qualname__)] = cls

    @abstractmethod
    def select_source_demo(
        self,
        eef_pose: Poses,
        object_pose: Poses | None,
        src_subtask_datagen_infos: Sequence[DatagenInfo],
    ) -> int:
        """Choose a source segment.

        A subclass may take further keywords: they are the subtask's `selection_strategy_kwargs`, and `rng`, a
        `np.random.Generator` of this attempt, if the signature names it.

        Args:
            eef_pose: (4, 4). End-effector pose now.
            object_pose: (4, 4). Pose now of the subtask's object; None where the subtask has none.
            src_subtask_datagen_infos: One DatagenInfo a source segment, its arrays (L, ...); `object_poses` holds the
                subtask's object alone.

        Returns:
            The index of the segment chosen.
        """


class StackedStrategy(MG_SelectionStrategy):
    """A strategy that looks at all sources in one vectorised step."""

    @property
    def looks_at_stacks(self) -> bool:
        """False where a subclass has a `select_source_demo` of its own, which then is what counts."""
        return type(self).select_source_demo is StackedStrategy.select_source_demo

    @abstractmethod
    def choose(
        self, eef_pose: Poses, object_pose: Poses | None, candidates: Candidates, *, rng: np.random.Generator
    ) -> int:
        """Choose among stacked candidates; draws from `rng` exactly once. A subclass may take further keywords."""

    def chances(
        self, eef_pose: Poses, object_pose: Poses | None, candidates: Candidates, **kwargs: Any
    ) -> np.ndarray | None:
        """(N,). The chance that `choose` has of choosing each; None, as by default, where the strategy cannot say."""
        return None

    def select_source_demo(
        self,
        eef_pose: Poses,
        object_pose: Poses | None,
        src_subtask_datagen_infos: Sequence[DatagenInfo],
        rng: np.random.Generator | None = None,
        **kwargs: Any,
    ) -> int:
        """Choose among DatagenInfos: the same choice, from the same `rng`, as `choose`."""
        candidates = Candidates.from_infos(src_subtask_datagen_infos)
        return self.choose(eef_pose, object_pose, candidates, rng=rng or rng_from_globals(), **kwargs)


class NearestStrategy(StackedStrategy):
    """A strategy that chooses among the sources that are nearest by some distance."""

    @abstractmethod
    def distance(
        self, eef_pose: Poses, object_pose: Poses, candidates: Candidates, pos_weight: float, rot_weight: float
    ) -> np.ndarray:
        """(N,). How far each of the N candidates is; `candidates.object_at_start` is there."""

    def choose(
        self,
        eef_pose: Poses,
        object_pose: Poses | None,
        candidates: Candidates,
        *,
        rng: np.random.Generator,
        pos_weight: float = 1.0,
        rot_weight: float = 1.0,
        nn_k: int = 3,
    ) -> int:
        """One of the `nn_k` nearest, all equally likely.

        Args:
            eef_pose: (4, 4). End-effector pose now.
            object_pose: (4, 4). Pose of the subtask's object now.
            candidates: The N source segments.
            rng: One double is drawn.
            pos_weight, rot_weight: Weights of metres and radians in the distance.
            nn_k: How many of the nearest may be chosen.

        Source:
            Mandlekar et al., MimicGen, CoRL 2023, appendix N.3.
        """
        return pick_among_nearest(self._checked(eef_pose, object_pose, candidates, pos_weight, rot_weight), nn_k, rng)

    def chances(
        self,
        eef_pose: Poses,
        object_pose: Poses | None,
        candidates: Candidates,
        pos_weight: float = 1.0,
        rot_weight: float = 1.0,
        nn_k: int = 3,
        **kwargs: Any,
    ) -> np.ndarray:
        """(N,). The chances of `choose`."""
        return chances_among_nearest(self._checked(eef_pose, object_pose, candidates, pos_weight, rot_weight), nn_k)

    def _checked(
        self, eef_pose: Poses, object_pose: Poses | None, candidates: Candidates, pos_weight: float, rot_weight: float
    ) -> np.ndarray:
        if object_pose is None or candidates.object_at_start is None:
            raise SettingsError(f"{self.NAME} needs a subtask with an object_ref")
        return self.distance(eef_pose, object_pose, candidates, pos_weight, rot_weight)


@functools.cache
def _load_files() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


def strategies() -> dict[str, type[MG_SelectionStrategy]]:
    """Every strategy by its NAME: the files of this folder and the subclasses defined so far."""
    _load_files()
    found: dict[str, type[MG_SelectionStrategy]] = {}
    for cls in _CLASSES.values():
        name = cls.__dict__.get("NAME")
        if name is None:
            continue
        if name in found:
            raise SettingsError(f"two selection strategies are called {name!r}: {found[name]} and {cls}; rename one")
        found[name] = cls
    return found


def find_strategy(name: str) -> type[MG_SelectionStrategy]:
    """The strategy's class; UnknownNameError where nothing has that name."""
    known = strategies()
    if name not in known:
        raise UnknownNameError("selection strategy", name, known)
    return known[name]


def make_selection_strategy(name: str) -> MG_SelectionStrategy:
    """A new strategy object by name; UnknownNameError where nothing has that name."""
    return find_strategy(name)()


def check_kwargs(name: str, kwargs: Mapping[str, Any]) -> None:
    """Raise SettingsError where the strategy does not take these keywords."""
    cls = find_strategy(name)
    function = cls.choose if issubclass(cls, StackedStrategy) else cls.select_source_demo
    taken = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        return
    known = set(taken) - {"self", "eef_pose", "object_pose", "candidates", "src_subtask_datagen_infos", "rng"}
    unknown = sorted(set(kwargs) - known)
    if unknown:
        raise SettingsError(f"strategy {name!r} takes no {unknown}; it takes: {sorted(known) or 'nothing'}")


def choose_by_infos(
    strategy: MG_SelectionStrategy,
    eef_pose: Poses,
    object_pose: Poses | None,
    infos: Sequence[DatagenInfo],
    kwargs: Mapping[str, Any],
    rng: np.random.Generator,
) -> int:
    """Ask a strategy that looks at DatagenInfos, with the global generators seeded from `rng` meanwhile.

    Raises:
        SettingsError: The strategy's answer is no index of `infos`.
    """
    takes_rng = "rng" in inspect.signature(strategy.select_source_demo).parameters
    extra = {**kwargs, "rng": rng} if takes_rng else kwargs
    with seeded_globals(rng):
        choice = strategy.select_source_demo(eef_pose, object_pose, infos, **extra)
    if not isinstance(choice, int | np.integer) or not 0 <= choice < len(infos):
        raise SettingsError(f"strategy {strategy.NAME!r} chose {choice!r}, not an index from 0 to {len(infos) - 1}")
    return int(choice)


def pick(count: int, rng: np.random.Generator) -> int:
    """A uniform index below `count`, from one double: the same in every NumPy release."""
    return min(int(rng.random() * count), count - 1)


def chances_among_nearest(distance: np.ndarray, nn_k: int) -> np.ndarray:
    """(N,). The chances of `pick_among_nearest`."""
    nearest = np.argsort(distance, kind="stable")[:nn_k]
    chances = np.zeros(len(distance))
    chances[nearest] = 1.0 / len(nearest)
    return chances


def pick_among_nearest(distance: np.ndarray, nn_k: int, rng: np.random.Generator) -> int:
    """The index of one of the `nn_k` smallest distances (N,), all equally likely; ties go by index."""
    if nn_k < 1:
        raise SettingsError(f"nn_k must be >= 1, got {nn_k}")
    nearest = np.argsort(distance, kind="stable")[:nn_k]
    return int(nearest[pick(len(nearest), rng)])
