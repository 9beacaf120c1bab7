"""Windows that slide over a reader's own numbers: frames from the arithmetic of `--explain`, and players of them."""
