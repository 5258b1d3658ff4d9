"""Tools on whole datasets of any format: each module takes a dataset's source and gives another, lazily.

Nothing is read before the result is; parts stay parts, so memory depends on a part and not on the dataset.
"""
