"""Tools on whole datasets of any format: each takes a dataset's source and gives another, lazily.

What a tool must know of the episodes (their numbers, names, lengths, splits) it reads when it is called, so that
what was asked for and is not there is said at once. Steps are read when the result is; parts stay parts, so memory
depends on a part and not on the dataset.
"""
