"""BLAS held to one thread while several threads compute."""

import errno
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from cnncli.engines import blas

FAILING = "import errno, time; time.sleep(0.05); raise OSError(errno.EMFILE, 'Too many open files')"


def test_every_thread_is_told_why_the_module_cannot_be_loaded(tmp_path, monkeypatch):
    """Python leaves threads that wait for an import that fails with half of the module, which lacks names."""
    (tmp_path / "threadpoolctl.py").write_text(FAILING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "threadpoolctl", raising=False)
    blas._controller.cache_clear()

    def hold(_):
        with pytest.raises(OSError, match="Too many open files") as caught, blas.single_threaded_blas():
            pass
        return caught.value.errno

    with ThreadPoolExecutor(4) as threads:
        assert [*threads.map(hold, range(4))] == [errno.EMFILE] * 4
    blas._controller.cache_clear()
