"""`--scheduler`: the cluster that it names."""

from cnncli.batch.cluster import LOCAL, Cluster
from cnncli.errors import ArgumentError


def open_cluster(address: str, jobs: int | None, workers: int) -> Cluster:
    """Return the executor that an address stands for.

    Args:
        address: what the user said.
        jobs: `--jobs`, if it was said.
        workers: of a cluster of this machine.

    Raises:
        ArgumentError: `--jobs` of a cluster that is not of this machine.

    Example:
        >>> open_cluster("local", jobs=None, workers=2)
        Cluster(address='local', workers=2)
    """
    if jobs is not None and address != LOCAL:
        raise ArgumentError(f"--jobs is for this machine: the workers of --scheduler {address} have their threads")
    return Cluster(address, workers)
