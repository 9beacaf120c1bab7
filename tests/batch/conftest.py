"""Clusters that tests share: starting the processes of one takes as long as most tests."""

import pytest
from clusters import loopback_cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A scheduler and two workers, for tests that leave them as they are."""
    pytest.importorskip("distributed", reason="the extra cnncli[dask] is not installed")
    with loopback_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def scheduler(tmp_path_factory):
    """A scheduler without workers, for tests that bring their own (`own_workers`)."""
    pytest.importorskip("distributed", reason="the extra cnncli[dask] is not installed")
    with loopback_cluster(tmp_path_factory.mktemp("scheduler"), workers=0) as cluster:
        yield cluster
