"""What the formats that lie in Zarr share: trees of files, metadata, arrays, and the group `trajloom` beside the data.

Metadata is read and written here as the JSON that it is, so that nothing is opened before it was judged and everything
comes back as it was; Zarr's own library decodes and encodes chunks.
"""
