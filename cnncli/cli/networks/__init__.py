"""Output of `shape` and `params`: tables, working, footers."""
