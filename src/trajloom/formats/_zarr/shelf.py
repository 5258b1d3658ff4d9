"""What is kept aside, as arrays of bytes in a root group."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trajloom.formats._aside import FOLDER
from trajloom.formats._zarr.container import Arrays

PIECE = 8 << 20
IN_MEMORY = 64 << 20


@dataclass(frozen=True)
class ZarrShelf:
    """The group `trajloom` of a hierarchy; each file is an array of bytes."""

    arrays: Arrays

    def names(self) -> Sequence[str]:
        lead = f"{FOLDER}/"
        return [path.removeprefix(lead) for path in self.arrays.nodes if path.startswith(lead)]

    def open(self, name: str) -> Any:
        path = f"{FOLDER}/{name}"
        node = self.arrays.nodes[path]
        if node.column_type != "uint8" or len(node.shape) != 1:
            raise ValueError(f"{path} is no array of bytes")
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
        try:
            for start in range(0, node.shape[0], PIECE):
                file.write(self.arrays.read(path, start, min(start + PIECE, node.shape[0])).tobytes())
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file
