"""What is known of a LeRobot folder before any column of data is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trajloom.errors import DamagedFileError
from trajloom.folder import Folder
from trajloom.formats import OnError, _aside
from trajloom.formats.lerobot.catalog import Counts, Place, locate, read_places, read_tasks
from trajloom.formats.lerobot.info import Info, read_info, read_json
from trajloom.formats.lerobot.rows import Held, LeRobotRows
from trajloom.tables import Array, Rest

EMPTY = "lerobot.json"
"""File among those kept aside that says where episodes without steps belong."""
MAX_EMPTY = 1 << 20
MAX_META_BYTES = 64 << 20
ALREADY_READ = frozenset({"info.json", "tasks.jsonl", "tasks.parquet", "episodes.jsonl", "episodes"})


@dataclass
class Scan:
    """What is known before any column of data is read."""

    folder: Folder
    info: Info
    tasks: Mapping[int, str]
    places: list[Place]
    counts: Counts
    oddities: list[str] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    absent: dict[str, Array] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Our column -> their feature."""
    texts: dict[str, str] = field(default_factory=dict)
    """Path in `rest` -> feature of text."""

    def rows(self) -> LeRobotRows:
        """What reads the values."""
        extras = tuple(_extras(self.folder))
        return LeRobotRows(self.folder.url, self.places, self.held, self.info.fps, extras, self.texts)


def scan(folder: Folder, on_error: OnError) -> Scan:
    info = read_info(folder)
    tasks, places = read_tasks(folder, info), read_places(folder, info)
    counts = Counts()
    faults = locate(folder, info, places, counts)
    found = Scan(folder, info, tasks, places, counts)
    if faults:
        said = "; ".join(f"episode {number}: {what}" for number, what in sorted(faults.items())[:10])
        if on_error == "raise":
            good = len(places) - len(faults)
            raise DamagedFileError(f'{folder.url}: {said}; {good} whole episodes can be read with on_error="skip"')
        found.oddities.append(f"{len(faults)} damaged episodes are left out ({said})")
        found.places = [place for place in places if place.number not in faults]
    found.oddities += _lies(found)
    found.places = _with_empty(folder, found.places)
    return found


def _lies(found: Scan) -> list[str]:
    """Where the metadata says other than the data."""
    raw, places, said = found.info.raw, found.places, []
    for key, have in (("total_episodes", len(places)), ("total_frames", sum(p.length for p in places)),
                      ("total_tasks", len(found.tasks))):  # fmt: skip
        if key in raw and raw[key] != have:
            said.append(f"info.json says {key} {str(raw[key])[:20]}, where there are {have}")
    wrong = [p for p in places if p.said_length not in (None, p.length)]
    if wrong:
        first = wrong[0]
        said.append(f"{len(wrong)} episodes have other lengths than is said, the first is {first.number}: "
                    f"{first.length} steps, said {first.said_length}")  # fmt: skip
    return said if places else [*said, "there is no demonstration in it"]


def _with_empty(folder: Folder, places: list[Place]) -> list[Place]:
    """The episodes with those without steps, which LeRobot cannot hold, where we wrote that there are any."""
    if not folder.fs.isfile(folder.at(_aside.FOLDER, EMPTY)):
        return places
    said = read_json(folder, _aside.FOLDER, EMPTY)
    empty = said.get("empty") if isinstance(said, dict) and said.get("episodes") == len(places) else None
    if not isinstance(empty, list) or len(empty) > MAX_EMPTY:
        return places
    if not all(isinstance(n, int) and 0 <= n < len(places) + len(empty) for n in empty):
        return places
    whole = list(places)
    for position in sorted(empty):
        whole.insert(position, Place(-1, "", [], 0))
    return whole


def _extras(folder: Folder) -> Sequence[Rest]:
    """Further files of the metadata: statistics, GR00T's modality.json, ..."""
    found = []
    for name in folder.names("meta"):
        path = folder.at("meta", name)
        if name not in ALREADY_READ and folder.fs.isfile(path) and (folder.fs.size(path) or 0) <= MAX_META_BYTES:
            data = folder.read("meta", name)
            found.append(Rest(f"meta/{name}", "|u1", (len(data),), data, None, {}))
    return found
