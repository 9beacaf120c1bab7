"""Weights that PyTorch saved: found wherever a checkpoint keeps them, and no code of a file is run."""

import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cnncli.errors import ModelError
from cnncli.models.importing.named import import_named

torch = pytest.importorskip("torch")

NETWORK = """
input = "6x6x1"
layers = "conv3-4,bn,relu gap fc-5"
[weights.torchvision]
names = "conv bn fc"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.toml").write_text(NETWORK)
    return tmp_path


def state():
    torch.manual_seed(0)
    shapes = {"conv.weight": (4, 1, 3, 3), "bn.weight": 4, "bn.bias": 4, "fc.weight": (5, 4), "fc.bias": 5}
    found = {name: torch.randn(shape) for name, shape in shapes.items()}
    return found | {"bn.running_mean": torch.randn(4), "bn.running_var": torch.rand(4) + 1}


def imported(path="net.pth"):
    return import_named("net.toml", Path(path))


@pytest.mark.parametrize(
    "checkpoint",
    [
        lambda state: state,
        lambda state: {"state_dict": state},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}, "epoch": 3},
        lambda state: {"epoch": 3, "state_dict": {"module." + name: array for name, array in state.items()}},
        lambda state: {"hyper": {"depth": 3}, "student": state},
        lambda state: {name: torch.nn.Parameter(array) for name, array in state.items()},
        lambda state: state | {"bn.num_batches_tracked": torch.tensor(7)},
        lambda state: {name: array.t().contiguous().t() if array.ndim == 2 else array for name, array in state.items()},
    ],
)
@pytest.mark.parametrize("archive", [True, False])
def test_weights_are_found_wherever_a_checkpoint_keeps_them(folder, checkpoint, archive):
    torch.save(checkpoint(state()), "net.pth", _use_new_zipfile_serialization=archive)
    found = imported()
    assert np.array_equal(found.parameters["0.conv.weight"][:, :, 0, 2], state()["conv.weight"][2, 0].numpy())
    assert np.array_equal(found.parameters["2.fc.weight"], state()["fc.weight"].numpy().T)
    assert np.array_equal(found.buffers["0.bn.running_var"], state()["bn.running_var"].numpy())


class Planted:
    """A pickle that makes a file when it is read."""

    def __reduce__(self):
        return os.mkdir, ("planted",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_a_file_is_not_run(folder, protocol):
    torch.save(state() | {"planted": Planted()}, "archive.pth", pickle_protocol=protocol)
    torch.save(state() | {"planted": Planted()}, "old.pth", _use_new_zipfile_serialization=False)
    (folder / "bare.pth").write_bytes(pickle.dumps(Planted(), protocol))
    for path in ("archive.pth", "old.pth", "bare.pth"):
        with pytest.raises(ModelError, match=rf"^{path}: (holds posix\.mkdir|cannot be read)") as caught:
            imported(path)
        assert "\n" not in str(caught.value)
    assert not os.path.exists("planted")


def test_a_whole_module_is_refused_with_what_to_save(folder):
    torch.save(torch.nn.Linear(2, 3), "net.pth")
    with pytest.raises(ModelError, match=r"holds torch\..*Linear.*: save model\.state_dict\(\)"):
        imported()


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_program_is_refused_with_what_to_save(folder):
    torch.jit.script(torch.nn.Linear(2, 3)).save("net.pth")
    with pytest.raises(ModelError, match=r"TorchScript program.*: save model\.state_dict\(\)"):
        imported()


@pytest.mark.parametrize("found", [[1, 2], {"a": 1}, {"a": {"b": 2}}, torch.ones(3), {}])
def test_a_file_without_named_arrays_is_refused(folder, found):
    torch.save(found, "net.pth")
    with pytest.raises(ModelError, match=r"holds no arrays with names"):
        imported()


@pytest.mark.parametrize("archive", [True, False])
def test_a_damaged_file_is_an_error_of_one_line(folder, archive):
    torch.save(state(), "net.pth", _use_new_zipfile_serialization=archive)
    whole = (folder / "net.pth").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.5 else whole)
        for place in rng.integers(0, len(damaged), rng.integers(0, 9)):
            damaged[place] = rng.integers(256)
        (folder / "net.pth").write_bytes(damaged)
        said = ""
        try:
            imported()
        except ModelError as error:
            said = str(error)
        assert "\n" not in said


def test_an_array_that_claims_more_than_the_file_holds_is_refused(folder):
    torch.save(state() | {"fc.weight": torch.ones(1, 4).expand(10**9, 4)}, "net.pth")
    assert os.path.getsize("net.pth") < 10_000
    with pytest.raises(ModelError, match=r"fc\.weight claims more numbers"):
        imported()


def test_a_compressed_archive_is_refused_before_it_is_unpacked(folder):
    torch.save(state(), "plain.pth")
    with zipfile.ZipFile("plain.pth") as plain, zipfile.ZipFile("net.pth", "w", zipfile.ZIP_DEFLATED) as packed:
        for part in plain.namelist():
            packed.writestr(part, plain.read(part))
    with pytest.raises(ModelError, match="is compressed"):
        imported()


@pytest.mark.parametrize("array", [torch.ones(5, dtype=torch.int64), torch.ones(5, dtype=torch.complex64)])
def test_other_numbers_are_not_weights(folder, array):
    torch.save(state() | {"fc.bias": array}, "net.pth")
    with pytest.raises(ModelError, match=r"fc\.bias is of type torch\..*: weights are floating point"):
        imported()


def test_sparse_arrays_are_not_read(folder):
    torch.save(state() | {"fc.bias": torch.ones(5).to_sparse()}, "net.pth")
    with pytest.raises(ModelError, match=r"net\.pth"):
        imported()


def test_without_pytorch_a_line_says_what_to_do(folder, monkeypatch):
    torch.save(state(), "net.pth")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"pip install 'cnncli\[torch\]', or save the weights with safetensors"):
        imported()
