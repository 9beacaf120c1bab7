"""The kernels among which OpenBLAS chooses for a processor, and programs that run with one of them."""

import os
import signal
import subprocess
import sys

import pytest

BLAS_KERNELS = (None, "Prescott", "Sandybridge", "Haswell", "Zen", "SkylakeX")
"""None is OpenBLAS's own choice."""


def printed(program, kernel, threads):
    """What a file prints as a program, in a process of its own; skips the test if the processor lacks the kernel."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    variables |= {"OPENBLAS_NUM_THREADS": str(threads)} | ({"OPENBLAS_CORETYPE": kernel} if kernel else {})
    variables["PYTHONPATH"] = os.pathsep.join(sys.path)
    result = subprocess.run([sys.executable, program], env=variables, capture_output=True, text=True)
    if result.returncode == -signal.SIGILL:
        pytest.skip(f"this processor has no instructions for {kernel}")
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout
