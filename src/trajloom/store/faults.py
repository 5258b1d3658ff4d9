"""What is wrong with a dataset's files, apart from what they hold."""

from collections.abc import Iterator

from trajloom.findings import Finding
from trajloom.folder import Folder
from trajloom.store.commits import orphans, read_commits
from trajloom.store.verify import verify


def findings(path: str) -> Iterator[Finding]:
    """Files that are not as their commits say, and files that no commit counts. Reads every byte."""
    for fault in verify(path):
        yield Finding(severity="error", code="file", what=fault)
    folder = Folder(path)
    found = orphans(folder, (commit.part for commit in read_commits(folder)))
    if found:
        some = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        what = f"{len(found)} files belong to no part that counts: {some}; who writes here next deletes them"
        yield Finding(severity="warning", code="orphan", what=what, fixable=True)
