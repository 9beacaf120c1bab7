"""Every filter word, and chains of them, on Dask workers: the files that one machine writes."""

import numpy as np
import pytest
from clusters import cnncli
from folders import contents, make_photographs

from cnncli import FILTERS, read_image

CHAINS = (
    "gaussian:1.4 sobel",
    "median:5 canny:1,5%,15%",
    "box:4x3 unsharp:2,1.5 min:3 max:3",
    "dog:1,2 gradient:1.5 threshold:otsu",
    "gabor:5,30 motion:7,110 canny threshold:1",
)


def random_chains(count):
    """Different chains of two to four words, without arguments."""
    words = [name for name, known in FILTERS.items() if not known.last]
    rng, chains = np.random.default_rng(11), set()
    while len(chains) < count:
        chains.add(" ".join(rng.choice(words, rng.integers(2, 5))))
    return sorted(chains)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["png", "npy"])
def test_words_on_a_cluster_give_the_files_of_one_machine(tmp_path, cluster, form):
    make_photographs(tmp_path / "in", 6)
    chains = (*FILTERS, *CHAINS, *random_chains(20))
    filters = [word for chain in chains for word in ("-f", chain)]
    command = ["edge", "in", "-r", *filters, "--format", form, "-q"]
    cnncli(*command, "-o", "here/", cwd=tmp_path)
    cnncli(*command, "-o", "there/", "--scheduler", cluster.address, cwd=tmp_path)
    made = contents(tmp_path / "here")
    assert len(made) == 6 * len(chains)
    found = contents(tmp_path / "there")
    assert found.keys() == made.keys()
    # Of thousands of files, isal once compressed the same pixels to other bytes.
    for name in (name for name in made if found[name] != made[name]):
        assert np.array_equal(read_image(tmp_path / "there" / name), read_image(tmp_path / "here" / name)), name
