"""Where the command line begins: ``cnncli`` and ``python -m cnncli``."""

import gc
import os


def main() -> None:
    """Set up the process, and run the command line."""
    # While modules load, the garbage collector finds nothing, and it takes a tenth of the time of a small picture.
    gc.set_threshold(100_000)
    # Threads of ours work on several files at once; a BLAS with threads of its own would fight them, and starts slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from cnncli.cli import app

    app()


if __name__ == "__main__":
    main()
