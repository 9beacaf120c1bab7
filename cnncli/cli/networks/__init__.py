"""What `shape` and `params` print: tables, working, footers."""
