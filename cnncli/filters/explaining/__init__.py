"""The arithmetic of one number of a response: what `--explain` prints."""
