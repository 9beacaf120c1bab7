"""Every filter word and some chains on Dask workers: the files that one machine writes."""

import pytest
from clusters import cnncli
from folders import contents, make_photographs

from cnncli import FILTERS

CHAINS = (
    "gaussian:1.4 sobel",
    "median:5 canny:1,5%,15%",
    "box:4x3 unsharp:2,1.5 min:3 max:3",
    "dog:1,2 gradient:1.5 threshold:otsu",
    "gabor:5,30 motion:7,110 canny threshold:1",
)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["png", "npy"])
def test_words_on_a_cluster_give_the_files_of_one_machine(tmp_path, cluster, form):
    make_photographs(tmp_path / "in", 6)
    filters = [word for chain in (*FILTERS, *CHAINS) for word in ("-f", chain)]
    command = ["edge", "in", "-r", *filters, "--format", form, "-q"]
    cnncli(*command, "-o", "here/", cwd=tmp_path)
    cnncli(*command, "-o", "there/", "--scheduler", cluster.address, cwd=tmp_path)
    made = contents(tmp_path / "here")
    assert len(made) == 6 * (len(FILTERS) + len(CHAINS))
    assert contents(tmp_path / "there") == made
