"""What the two Zarr layouts share: containers, metadata documents, shelves, and how arrays are written and compared."""
