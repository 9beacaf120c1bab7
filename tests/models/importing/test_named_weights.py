"""Networks with weights of other programs, from the file to the outputs."""

import numpy as np
import pytest

from cnncli.data.normalization import Normalization
from cnncli.engines.initialization import initialize
from cnncli.errors import ModelError
from cnncli.models.importing.named import import_named
from cnncli.models.model import Model, save_model
from cnncli.models.opening import load_model
from cnncli.models.safetensors import read_tensors, write_tensors
from cnncli.models.told import Told
from cnncli.models.weights import export_weights
from cnncli.networks import load_network
from cnncli.networks.heads import with_outputs

NETWORK = """
input = "9x8x4"
layers = '''
conv3-6,p1,bn,eps1e-3,relu dw3,p1 2xres[ conv3-6,p1,bn,relu conv1-6 ] conv1-8,gelu conv1-6,scale
tconv2-4,s2,nobias cat[ conv3-5,g1 | conv3x3-3 ] conv3-16,g4,s2 ln prelu max2 flatten drop fc-12,relu fc-7
'''
[weights.torchvision]
names = '''
stem.{0,1} depth {a,b}.{conv1,bn1,conv2} block.linear{1,2}:2 gamma=:3 up left right grouped norm act pre.fc:4 head
'''
normalization = "signed"
resize = "pad"
"""
"""A layer of every kind that has axes of its own, and names as of several programs."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.toml").write_text(NETWORK)
    return tmp_path


def module_in_pytorch():
    """The same network as its author would write it in PyTorch."""
    torch = pytest.importorskip("torch")
    from torch import nn

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
            self.conv2 = nn.Conv2d(6, 6, 1)

        def forward(self, x):
            return torch.relu(x + self.conv2(torch.relu(self.bn1(self.conv1(x)))))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6, eps=1e-3), nn.ReLU())
            self.depth = nn.Conv2d(6, 6, 3, padding=1, groups=6)
            self.a, self.b = Residual(), Residual()
            self.block = nn.ModuleDict({"linear1": nn.Linear(6, 8), "linear2": nn.Linear(8, 6)})
            self.gamma = nn.Parameter(torch.randn(6, 1, 1))
            self.up = nn.ConvTranspose2d(6, 4, 2, 2, bias=False)
            self.left, self.right = nn.Conv2d(4, 5, 3), nn.Conv2d(4, 3, 3)
            self.grouped = nn.Conv2d(8, 16, 3, 2, groups=4)
            self.norm, self.act = nn.LayerNorm(16), nn.PReLU(16)
            self.pre = nn.ModuleDict({"fc": nn.Conv2d(16, 12, 3)})
            self.head = nn.Linear(12, 7)

        def forward(self, x):
            x = self.b(self.a(self.depth(self.stem(x))))
            x = self.block["linear2"](nn.functional.gelu(self.block["linear1"](x.movedim(1, -1)))).movedim(-1, 1)
            x = self.up(x * self.gamma)
            x = self.grouped(torch.cat([self.left(x), self.right(x)], dim=1))
            x = nn.functional.max_pool2d(self.act(self.norm(x.movedim(1, -1)).movedim(-1, 1)), 2)
            return self.head(torch.relu(self.pre["fc"](x).flatten(1)))

    torch.manual_seed(0)
    net = Net().eval()
    for name, array in net.state_dict().items():
        if array.is_floating_point() and array.ndim == 1:
            array.uniform_(0.5, 1.5) if name.endswith(("weight", "var")) else array.normal_(0, 0.3)
    return net


def our_outputs(imported, x):
    model = Model(
        imported.network,
        imported.parameters,
        imported.buffers,
        tuple(map(str, range(imported.network.output_shape[0]))),
        Normalization((0.0,) * x.shape[3], (1.0,) * x.shape[3]),
    )
    return model.engine().predict(x)


def saved(state, path, **metadata):
    write_tensors(path, {name: array.numpy() for name, array in state.items() if array.ndim}, metadata)
    return path


@pytest.mark.parametrize("ending", [".safetensors", ".pth", ".bin"])
def test_outputs_are_those_of_pytorch(folder, ending):
    net = module_in_pytorch()
    import torch

    x = np.random.default_rng(0).normal(size=(3, 9, 8, 4)).astype(np.float32)
    with torch.no_grad():
        theirs = net(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()
    path = folder / f"net{ending}"
    if ending == ".safetensors":
        saved(net.state_dict(), path)
    else:
        torch.save(net.state_dict(), path)
    imported = import_named("net.toml", path)
    assert np.allclose(our_outputs(imported, x), theirs, atol=1e-5 * np.abs(theirs).max())
    assert imported.normalization == Normalization.called("signed")
    assert (imported.resize, imported.origin) == ("pad", "net with weights of torchvision")


@pytest.mark.parametrize("wrapper", ["module.", "model.", "module.model.", "_orig_mod."])
def test_what_is_put_before_all_names_is_left_out(folder, wrapper):
    state = module_in_pytorch().state_dict()
    plain = import_named("net.toml", saved(state, folder / "plain.safetensors"))
    wrapped = {wrapper + name: array for name, array in state.items()}
    found = import_named("net.toml", saved(wrapped, folder / "wrapped.safetensors"))
    assert all(np.array_equal(found.parameters[name], array) for name, array in plain.parameters.items())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_floating_points_become_float32(folder, dtype):
    net = module_in_pytorch()
    import torch
    from safetensors.torch import save_file

    rounded = {name: array.to(getattr(torch, dtype)) for name, array in net.state_dict().items() if array.ndim}
    save_file(rounded, folder / "net.safetensors")
    torch.save(rounded, folder / "net.pth")
    exact = import_named("net.toml", saved({name: a.float() for name, a in rounded.items()}, folder / "f.safetensors"))
    for path in ("net.safetensors", "net.pth"):
        found = import_named("net.toml", folder / path)
        assert all(np.array_equal(found.parameters[name], array) for name, array in exact.parameters.items())


def test_whole_numbers_are_not_weights(folder):
    state = dict(module_in_pytorch().state_dict())
    state["stem.0.weight"] = state["stem.0.weight"].byte()
    with pytest.raises(ModelError, match=r"n\.safetensors: the array stem\.0\.weight is of type U8"):
        import_named("net.toml", saved(state, folder / "n.safetensors"))


def trained(name, classes=("cat", "dog", "owl"), seed=1, **changes):
    network = with_outputs(load_network(name), len(classes))
    rng = np.random.default_rng(seed)
    parameters, buffers = initialize(network, seed=seed)
    buffers = {key: rng.uniform(0.5, 2, array.shape).astype(np.float32) for key, array in buffers.items()}
    return Model(network, parameters, buffers, classes, Normalization((1.5,) * 3, (60.0,) * 3), **changes)


def same(model, other):
    ours, theirs = ({**each.parameters, **each.buffers} for each in (model, other))
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_names_of_ours_are_known_too(folder):
    model = trained("squeezenet1.1", resize="crop")
    save_model("ours.safetensors", model)
    found = load_model("squeezenet1.1=ours.safetensors")
    assert same(found, model)
    assert (found.class_names, found.normalization, found.resize) == (model.class_names, model.normalization, "crop")
    with pytest.raises(ModelError, match=r"ours\.safetensors: holds another network than squeezenet1\.0"):
        load_model("squeezenet1.0=ours.safetensors")
    write_tensors("bare.safetensors", {**model.parameters, **model.buffers}, {})
    assert same(load_model("squeezenet1.1=bare.safetensors"), model)


@pytest.mark.parametrize("program", ["torchvision", "timm"])
def test_weights_under_other_names_come_back_to_the_bit(folder, program):
    model = trained("mobilenet-v2", resize="pad")
    exported = export_weights(model, "theirs.safetensors", names=program)
    assert (exported.arrays, exported.size) == (262, (folder / "theirs.safetensors").stat().st_size)
    found = load_model("mobilenet-v2=theirs.safetensors")
    assert same(found, model)
    assert found.metadata == model.metadata
    assert found.origin == f"mobilenet-v2 with weights of {program}"


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1.1", "mobilenet-v3-large"])
def test_a_file_without_its_networks_name_says_which_it_is(folder, name):
    export_weights(trained(name), "tv.safetensors", names="torchvision")
    arrays, _ = read_tensors("tv.safetensors")
    write_tensors("bare.safetensors", arrays, {})
    with pytest.raises(ModelError, match=rf"bare\.safetensors: .*: give {name}=FILE$"):
        load_model("bare.safetensors")
    del arrays[next(iter(arrays))]
    write_tensors("bare.safetensors", arrays, {})
    with pytest.raises(ModelError, match=r"its metadata has no cnncli\.network, [^;]*$"):
        load_model("bare.safetensors")


def test_another_size_of_pictures_is_taken_where_the_network_can(folder):
    model = trained("squeezenet1.1")
    export_weights(model, "theirs.safetensors", names="torchvision")
    found = load_model("squeezenet1.1=theirs.safetensors", told=Told(size=(65, 130)))
    assert found.input_shape == (65, 130, 3)
    assert found.probabilities(np.zeros((65, 130, 3), np.uint8)).shape == (3,)


def test_auxiliary_classifiers_are_left_out_and_said(folder):
    model = trained("googlenet-torchvision")
    export_weights(model, "plain.safetensors", names="torchvision")
    arrays, metadata = read_tensors("plain.safetensors")
    arrays |= {"aux1.conv.conv.weight": np.ones(3, np.float32), "aux2.fc1.bias": np.ones(3, np.float32)}
    write_tensors("aux.safetensors", arrays, metadata)
    found = load_model("googlenet-torchvision=aux.safetensors")
    assert same(found, model)
    assert found.origin == "googlenet-torchvision with weights of torchvision, without aux1 and aux2"


def test_names_of_older_files_are_known(folder):
    model = trained("densenet121")
    export_weights(model, "new.safetensors", names="torchvision")
    arrays, metadata = read_tensors("new.safetensors")
    for kind in ("norm", "conv"):
        for number in "12":
            arrays = {
                name.replace(f".{kind}{number}.", f".{kind}.{number}.") if "denselayer" in name else name: array
                for name, array in arrays.items()
            }
    assert "features.denseblock1.denselayer1.norm.1.weight" in arrays
    write_tensors("old.safetensors", arrays, metadata)
    assert same(load_model("densenet121=old.safetensors"), model)


def test_the_epsilon_is_the_programs(folder):
    model = trained("mobilenet-v3-small")
    assert "bn,eps0.001" in str(model.network)
    export_weights(model, "tv.safetensors", names="torchvision")
    assert str(load_model("mobilenet-v3-small=tv.safetensors").network) == str(model.network)
    with pytest.raises(Exception, match="not a network whose names in timm are known"):
        export_weights(model, "timm.safetensors", names="timm")
    timm = model.replace(network=type(model.network)(model.network.input_shape, _with_default_eps(model.network)))
    export_weights(timm, "timm.safetensors", names="timm")
    found = load_model("mobilenet-v3-small=timm.safetensors")
    assert "eps" not in str(found.network)
    assert same(found, timm)


def _with_default_eps(network):
    from cnncli.networks.weights import with_epsilon

    return with_epsilon(network, 1e-5).layers


def test_a_damaged_file_is_an_error_of_one_line(folder):
    network = load_network("net.toml")
    parameters, buffers = initialize(network, seed=0)
    write_tensors("whole.safetensors", {**parameters, **buffers}, {})
    whole = (folder / "whole.safetensors").read_bytes()
    assert import_named("net.toml", folder / "whole.safetensors").network == network
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.3 else whole)
        for place in rng.integers(0, min(4000, len(damaged)), rng.integers(1, 4)):  # the header
            damaged[place] = rng.integers(256)
        (folder / "net.safetensors").write_bytes(damaged)
        said = ""
        try:
            import_named("net.toml", folder / "net.safetensors")
        except ModelError as error:
            said = str(error)
        refused += bool(said)
        assert "\n" not in said
    assert refused > 75
