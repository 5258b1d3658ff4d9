"""What sets DataAug Platform's HDF5 apart: it has no attributes."""

from h5py import h5a, h5g

from trajloom.formats.hdf5.dialect import BEFORE_AND_AFTER, Dialect
from trajloom.formats.hdf5.scan import opened
from trajloom.schema import stored_name


def looks(root: h5g.GroupID, episode: h5g.GroupID | None) -> bool:
    """Whether a file is DataAug Platform's: there are demonstrations, and no attribute on them or around them."""
    data = opened(root, root, b"data")
    return episode is not None and not any(h5a.get_num_attrs(group) for group in (root, data, episode))


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
