"""Image files: reading and writing them, a band of rows at a time."""
