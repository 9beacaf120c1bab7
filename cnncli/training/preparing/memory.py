"""Memory that a training takes, told before it begins."""

import os
from math import prod

from cnncli.data import Finding
from cnncli.engines.freezing import split_network
from cnncli.errors import ArgumentError
from cnncli.networks import Network
from cnncli.shapes import show_shape
from cnncli.training.configuration import Configuration

LARGE = 2 << 30  # bytes of memory above which a training reports what it needs
_ARRAYS_OF_PARAMETERS = 6  # weights, gradients of two shards, two arrays of Adam's, and a copy of the best weights
_COPIES_OF_FROZEN = 2  # as they were read, and in the engine
_ARRAYS_OF_ACTIVATIONS = 3
"""An output, its gradient, and what a layer works on: what the default network was measured to take. Batch norms keep
more, so that it is the least that others take."""


def training_bytes(network: Network, batch_size: int) -> int:
    """Return the least number of bytes that a training step takes.

    Example:
        >>> from cnncli.networks import parse_network
        >>> training_bytes(parse_network("28x28x1 conv3-16,same,relu max2 fc-10"), 32) >> 20
        6
    """
    totals = network.totals
    image = prod(network.input_shape) + _ARRAYS_OF_ACTIVATIONS * totals.activations
    return 4 * (_ARRAYS_OF_PARAMETERS * totals.params + batch_size * image)


def check_memory(configuration: Configuration, network: Network, frozen: int = 0) -> list[Finding]:
    """Return a finding where a training takes much memory; its first words may be frozen.

    Raises:
        ArgumentError: it takes more than this machine has.
    """
    assert configuration.batch_size is not None
    kept, trained = split_network(network, frozen)
    needed = training_bytes(trained, configuration.batch_size) + 4 * _COPIES_OF_FROZEN * kept.totals.params
    room = machine_bytes()
    if needed < min(LARGE, room or LARGE):
        return []
    pictures = f"batches of {configuration.batch_size} pictures of {show_shape(network.input_shape)}"
    totals = f"{network.totals.params:,} parameters and {network.totals.activations:,} activations"
    message = f"{pictures} take {_gigabytes(needed)} of memory or more: the network has {totals}"
    advice = "--size 128 makes pictures smaller, --batch-size batches"
    if room is not None and needed > room:
        raise ArgumentError(f"{message}, and this machine {_gigabytes(room)}: {advice}")
    return [Finding("memory", f"{message}; {advice}")]


def machine_bytes() -> int | None:
    """Return the memory of this machine, or of the container; None where it is not known."""
    try:
        room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            return min(room, int(file.read()))
    except (OSError, ValueError):  # no container, or one without a limit
        return room


def _gigabytes(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB"
