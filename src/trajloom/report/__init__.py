"""One page about a dataset, with plots: a single HTML file that needs no network."""

from trajloom.report.write import write

__all__ = ["write"]
