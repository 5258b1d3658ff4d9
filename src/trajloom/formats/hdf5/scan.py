"""What lies in an HDF5 file, found without reading any array: paths, shapes, types, storage, offsets."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t

from trajloom.errors import HostileFileError
from trajloom.formats.hdf5.headers import Found, Headers
from trajloom.formats.hdf5.storage import PLAIN, Signature, storage_of
from trajloom.formats.hdf5.values import type_of

MAX_DEPTH = 64
MAX_VISITS_AGAIN = 1_000
"""Groups of one tree that may be met again through another link; more is a file made to explode."""
MAX_SOFT_LINKS = 32
MIN_BOMB_BYTES = 1 << 30
BOMB_RATIO = 2_000
"""gzip packs at most 1,032 to 1."""

UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises where a file is damaged."""


@dataclass
class Tree:
    """What lies in one group; paths are relative to it."""

    datasets: list[tuple[str, Signature, int]] = field(default_factory=list)
    """(path, signature, byte offset of its values in the file or -1)"""
    groups: list[str] = field(default_factory=list)
    empty_groups: list[str] = field(default_factory=list)
    others: list[tuple[str, str, bytes]] = field(default_factory=list)
    """(path, "softlink" that leads nowhere or "type", its content)"""
    with_attrs: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    """(path, what is wrong)"""

    def add(self, path: str, found: Found) -> None:
        """Add a dataset."""
        if found.has_attrs:
            self.with_attrs.append(path)
        self.datasets.append((path, found.signature, found.offset))


def text(name: bytes) -> str:
    """A name as text; bytes that are no UTF-8 become surrogates."""
    return name.decode("utf-8", "surrogateescape")


def raw(name: str) -> bytes:
    """The inverse of `text`."""
    return name.encode("utf-8", "surrogateescape")


def portable(path: str) -> str:
    """A path that tables can hold: one that is no UTF-8 is spelled `//` and percent-encoded."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "//" + quote_from_bytes(raw(path))
    return path


def unportable(path: str) -> str:
    """The inverse of `portable`."""
    return text(unquote_to_bytes(path[2:])) if path.startswith("//") else path


class Walker:
    """Walks groups of one file, safely: no external link is followed, no cycle entered."""

    def __init__(self, root: h5g.GroupID, file_bytes: int, headers: Headers | None = None):
        """Make it.

        Args:
            root: Of the file.
            file_bytes: Its size.
            headers: What is known of its datasets' headers, which makes it several times as fast.
        """
        self.root, self.file_bytes, self._headers = root, file_bytes, headers
        self._known: dict[tuple, Signature] = {}
        self._met: set[int] = set()
        self._again = 0

    def walk(self, group: h5g.GroupID, skip: frozenset[str] = frozenset()) -> Tree:
        """All that lies in a group, leaving out its members named in `skip`; HostileFileError where it is unsafe."""
        tree = Tree()
        self._again = 0
        self._group(group, "", (h5o.get_info(group).addr,), tree, skip)
        return tree

    def _group(self, group: h5g.GroupID, prefix: str, above: tuple[int, ...], tree: Tree, skip: frozenset[str]) -> None:
        if len(above) > MAX_DEPTH:
            raise HostileFileError(f"{prefix}: groups are nested more than {MAX_DEPTH} deep")
        for name, link, address in members(group):
            path = prefix + text(name)
            if path in skip or self._is_known(path, link, address, tree):
                continue
            if link != h5l.TYPE_HARD and not self._leads_somewhere(group, name, path, tree):
                continue
            try:
                item = h5o.open(group, name)
                if isinstance(item, h5d.DatasetID):
                    self._dataset(item, path, address if link == h5l.TYPE_HARD else None, tree)
                    continue
            except HostileFileError as error:
                raise HostileFileError(f"{path}: {error}") from error
            except UNREADABLE as error:
                tree.faults.append((path, f"cannot be read ({first_line(error)})"))
                continue
            if isinstance(item, h5g.GroupID):
                self._subgroup(item, path, above, tree)
            elif isinstance(item, h5t.TypeID):
                tree.others.append((path, "type", item.encode()))

    def _is_known(self, path: str, link: int, address: int, tree: Tree) -> bool:
        """Whether it is a dataset whose header says all, which is then in the tree."""
        if self._headers is None or link != h5l.TYPE_HARD:
            return False
        found = self._headers.find(path, address)
        if found is None:
            return False
        tree.add(path, found)
        return True

    def _subgroup(self, group: h5g.GroupID, path: str, above: tuple[int, ...], tree: Tree) -> None:
        address = h5o.get_info(group).addr
        if address in above:
            raise HostileFileError(f"{path}: the group contains itself")
        if address in self._met:
            self._again += 1
            if self._again > MAX_VISITS_AGAIN:
                raise HostileFileError(f"{path}: groups are met again through links more than {MAX_VISITS_AGAIN} times")
        self._met.add(address)
        tree.groups.append(path)
        if h5a.get_num_attrs(group):
            tree.with_attrs.append(path)
        if not group.get_num_objs():
            tree.empty_groups.append(path)
        self._group(group, path + "/", (*above, address), tree, frozenset())

    def _dataset(self, dataset: h5d.DatasetID, path: str, address: int | None, tree: Tree) -> None:
        kind, shape = type_of(dataset.get_type()), dataset.shape
        null = shape is None or (shape == () and dataset.get_space().get_simple_extent_type() == h5s.NULL)
        shape = () if null or shape is None else shape
        storage = PLAIN if null else storage_of(dataset, kind)
        key = (kind.name, shape, storage, null)
        signature = self._known.get(key)
        if signature is None:
            signature = self._known[key] = Signature(kind, shape, storage, null)
        if signature.nbytes > max(MIN_BOMB_BYTES, BOMB_RATIO * self.file_bytes):
            raise HostileFileError(f"says it holds {signature.nbytes:,} bytes, in a file of {self.file_bytes:,}")
        offset = dataset.get_offset() if storage.layout == h5d.CONTIGUOUS and not null else None
        found = Found(signature, -1 if offset is None else offset, bool(h5a.get_num_attrs(dataset)))
        if offset is not None and offset + signature.nbytes > self.file_bytes:
            there = max(0, self.file_bytes - offset)
            tree.faults.append((path, f"is cut short ({there:,} of {signature.nbytes:,} bytes are in the file)"))
        elif self._headers is not None and address is not None:
            self._headers.learn(path, address, found)
        tree.add(path, found)

    def _leads_somewhere(self, group: h5g.GroupID, name: bytes, path: str, tree: Tree) -> bool:
        if resolves(self.root, group, name, path):
            return True
        tree.others.append((path, "softlink", group.links.get_val(name)))
        return False


class Member(NamedTuple):
    """A link in a group."""

    name: bytes
    link: int
    """How it is linked."""
    address: int
    """Of the object's header in the file, where the link is a hard one."""


def members(group: h5g.GroupID) -> list[Member]:
    """What a group holds."""
    found: list[Member] = []
    group.links.iterate(lambda name, info: found.append(Member(name, info.type, info.u)), info=True)
    return found


def resolves(root: h5g.GroupID, group: h5g.GroupID, name: bytes, path: str, hops: int = 0) -> bool:
    """Whether a link leads to an object of the same file; HostileFileError where it leaves the file or goes round."""
    link = group.links.get_info(name).type
    if link == h5l.TYPE_HARD:
        return True
    if link != h5l.TYPE_SOFT:
        raise HostileFileError(f"{path}: an external link, which we do not follow")
    if hops > MAX_SOFT_LINKS:
        raise HostileFileError(f"{path}: a soft link that goes round")
    target = group.links.get_val(name)
    where = root if target.startswith(b"/") else group
    steps = [step for step in target.split(b"/") if step not in (b"", b".")]
    for i, step in enumerate(steps):
        if not where.links.exists(step) or not resolves(root, where, step, path, hops + 1):
            return False
        if i < len(steps) - 1:
            where = h5o.open(where, step)
            if not isinstance(where, h5g.GroupID):
                return False
    return True


def opened(root: h5g.GroupID, group: h5g.GroupID, name: bytes) -> Any:
    """The object of this name, or None where there is none; HostileFileError where it is in another file."""
    if not group.links.exists(name) or not resolves(root, group, name, text(name)):
        return None
    return h5o.open(group, name)


def first_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return (str(error).strip('"').splitlines() or [type(error).__name__])[0]


# ---- all episodes ----------------------------------------------------------------------------------------------


class Occurrences:
    """Where one path occurs: an episode, a signature and a byte offset each. Ten bytes a dataset matter at 10^6."""

    def __init__(self) -> None:
        self.episodes = array("q")
        self.offsets = array("q")
        self.signatures: list[Signature] = []

    def add(self, episode: int, signature: Signature, offset: int) -> None:
        self.episodes.append(episode)
        self.signatures.append(signature)
        self.offsets.append(offset)

    def __len__(self) -> int:
        return len(self.signatures)

    def __iter__(self) -> Iterator[tuple[int, Signature, int]]:
        return zip(self.episodes, self.signatures, self.offsets, strict=True)


@dataclass
class Facts:
    """What lies in all the demonstrations of a file, by path."""

    arrays: dict[str, Occurrences] = field(default_factory=dict)
    empty_groups: dict[int, list[str]] = field(default_factory=dict)
    others: dict[int, list[tuple[str, str, bytes]]] = field(default_factory=dict)
    with_attrs: dict[int, tuple[str, ...]] = field(default_factory=dict)
    faults: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    _interned: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def add(self, episode: int, tree: Tree) -> None:
        """Add the demonstration number `episode`."""
        for path, signature, offset in tree.datasets:
            occurrences = self.arrays.get(path)
            if occurrences is None:
                occurrences = self.arrays[path] = Occurrences()
            occurrences.add(episode, signature, offset)
        if tree.empty_groups:
            self.empty_groups[episode] = tree.empty_groups
        if tree.others:
            self.others[episode] = tree.others
        if tree.faults:
            self.faults[episode] = list(tree.faults)
        if tree.with_attrs:
            paths = tuple(tree.with_attrs)
            self.with_attrs[episode] = self._interned.setdefault(paths, paths)
