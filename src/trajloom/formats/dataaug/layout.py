"""What sets DataAug Platform's HDF5 apart: it has no attributes."""

from h5py import h5g

from trajloom.formats.hdf5.dialect import BEFORE_AND_AFTER, Dialect
from trajloom.schema import stored_name


def looks(root: h5g.GroupID, episode: h5g.GroupID | None) -> bool:
    """Nothing tells such a file from any without metadata, which `hdf5` reads as it is; say `dataaug` to read it so."""
    return False


DATAAUG = Dialect(
    name="dataaug",
    expected="a group `data` of demonstrations `demo_<i>` (DataAug Platform: without attributes)",
    when=BEFORE_AND_AFTER,
    demo_attrs="none",
    masks=False,
    lineage=False,
    scalars=True,
    outcome=stored_name("success", "episodes"),
    says_environment=False,
)
