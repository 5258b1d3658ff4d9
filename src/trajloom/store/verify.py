"""Checking that a dataset's files are what its commits say."""

import hashlib

from trajloom.errors import DamagedFileError
from trajloom.folder import Folder
from trajloom.store.commits import MODELS, file_name, read_commits
from trajloom.store.reader import StoredDataset, open_store


def verify(path: str) -> list[str]:
    """Read every byte of a dataset and say what is not as its commits say; empty where all is well."""
    stored = open_store(path)
    faults = []
    for commit in read_commits(stored.folder):
        for table, facts in commit.tables.items():
            name = f"{table}/{file_name(commit.part)} (part {commit.part})"
            try:
                found = _hash(stored.folder, table, file_name(commit.part))
            except OSError as error:
                faults.append(f"{name} cannot be read: {error}")
                continue
            if found != facts["sha256"]:
                faults.append(f"{name} has SHA-256 {found}; its commit says {facts['sha256']}")
    return faults + _missing_models(stored)


def _hash(folder: Folder, *names: str) -> str:
    digest = hashlib.sha256()
    with folder.open(*names) as data:
        while piece := data.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _missing_models(stored: StoredDataset) -> list[str]:
    models, faults = stored.models(), []
    wanted: set[str] = set()
    for part in stored.parts():
        try:
            wanted.update(filter(None, part.table("episodes", ["model"]).column("model").to_pylist()))
        except DamagedFileError:
            continue
    for sha in sorted(wanted):
        try:
            models[sha]
        except KeyError:
            faults.append(f"{MODELS}/{sha}.xml is missing")
        except DamagedFileError as error:
            faults.append(str(error))
    return faults
