"""Whole networks as other programs see them: our exports without their metadata, random ones, and PyTorch's exports."""

import numpy as np
import onnx
import pytest
from models import random_model, small_network

from cnncli.engines.head import probabilities
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.errors import ModelError
from cnncli.models.exporting import onnx_model
from cnncli.models.importing.onnx import import_onnx
from cnncli.networks import parse_network
from cnncli.networks.heads import output_count
from cnncli.networks.loading import zoo_names

runtime = pytest.importorskip("onnxruntime")

QUICK = 2_000_000
"""Parameters of networks that every run tries."""

DECOMPOSED = {"lenet5-1998"}
"""Networks with a layer that is not found again: radial basis functions, which are several operations."""


def written(model, path, *, metadata):
    proto = onnx_model(model)
    if not metadata:
        del proto.metadata_props[:]
    path.write_bytes(proto.SerializeToString())
    return path


def model_of(text):
    outputs = output_count(parse_network(text))
    return random_model(text, tuple(map(str, range(max(2, outputs)))))


def check(path, model, tolerance=1e-5):
    """Compare the imported network with the model that was exported and with the runtime; return it."""
    imported = import_onnx(path)
    pictures = np.random.default_rng(3).integers(0, 256, (2, *model.input_shape), np.uint8)
    with NumpyEngine(imported.network, imported.parameters, imported.buffers, jobs=1) as engine:
        scores = engine.predict(imported.normalization.apply(pictures))
    found, expected = probabilities(scores, imported.network), model.probabilities(pictures)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {"image": pictures.transpose(0, 3, 1, 2).astype(np.float32)})
    np.testing.assert_allclose(found, expected, atol=tolerance)
    np.testing.assert_allclose(found, theirs, atol=tolerance)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert parse_network(str(imported.network)) == imported.network
    return imported


def of_the_zoo():
    for name in zoo_names():
        network = small_network(name)
        if (output_count(network) or 0) > 1 and name not in DECOMPOSED:
            yield pytest.param(name, marks=[pytest.mark.slow] if network.totals.params > QUICK else [])


@pytest.mark.parametrize("name", list(of_the_zoo()))
def test_networks_of_the_zoo_are_read_out_of_the_graph_alone(tmp_path, name):
    model = model_of(str(small_network(name)))
    # Random weights make scores of some hundreds, of which single precision keeps 1e-4.
    imported = check(written(model, tmp_path / "m.onnx", metadata=False), model, 1e-4)
    assert imported.class_names is None
    np.testing.assert_allclose(imported.normalization.mean, model.normalization.mean, rtol=1e-4)
    assert imported.network.totals.params == model.network.totals.params


WORDS = [
    "conv3-6,same,bn,relu",
    "conv2-4,s2",
    "conv3-6,p1,g3,nobias",
    "dw3,p1,leaky",
    "max2,s1,same",
    "avg3,s2,p1,ceil",
    "avg3,s1,p1,count_include_pad",
    "tconv2-3,s2",
    "res[ conv3-5,same | conv1-5 ]",
    "cat[ conv1-2 | max3,s1,same | ]",
    "add[ dw3,same,nobias ]",
    "mul[ | gap conv1-5,silu conv1-1,sigmoid ]",
    "cat[ res[ conv3-3,same,bn | conv1-3 ] | cat[ conv1-1 | avg3,s1,same ] ]",
    "drop",
    "zeropad-40",
    "2xconv1-6,gelu",
    "conv1-6 cat[ split1/2 | split2/2 conv1-5,hswish ]",
    "conv1-8,prelu shuffle4",
    "conv1-8 d2s",
    "conv1-6,gn2 in,affine",
    "up2,bilinear",
]
ENDS = ["fc-4,softmax", "flatten fc-3", "gap fc-2", "conv1-3 gmp", "fc-8,tanh fc-3", "gap fc-4,bn"]


def random_text(seed):
    rng = np.random.default_rng(seed)
    size = f"{rng.integers(14, 22)}x{rng.integers(14, 22)}x{rng.choice([1, 3])}"
    return " ".join([size, "conv3-6,p1", *rng.choice(WORDS, 5), str(rng.choice(ENDS))])


@pytest.mark.parametrize("metadata", [True, False], ids=["ours", "graph"])
@pytest.mark.parametrize("seed", range(20))
def test_random_networks(tmp_path, seed, metadata):
    model = model_of(random_text(seed))
    imported = check(written(model, tmp_path / "m.onnx", metadata=metadata), model)
    if metadata:
        assert imported.network == model.network


def torch_modules():
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, body, join, after=None):
            super().__init__()
            self.body, self.join, self.after = body, join, after or nn.Identity()

        def forward(self, x):
            other = self.body(x)
            joins = {"add": lambda: x + other, "mul": lambda: x * other, "cat": lambda: torch.cat([x, other], 1)}
            return self.after(joins[self.join]())

    class LastAxis(nn.Module):
        def __init__(self, *layers):
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, x):
            return self.layers(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Conv2d(6 + 2 * number, 2, 3, padding=1) for number in range(3))

        def forward(self, x):
            features = [x]
            for layer in self.layers:
                features.append(torch.relu(layer(torch.cat(features, 1))))
            return torch.cat(features, 1)

    class Shuffle(nn.Module):
        def forward(self, x):
            count, channels, height, width = x.size()
            return x.view(count, 3, channels // 3, height, width).transpose(1, 2).reshape(count, -1, height, width)

    squeeze = nn.Sequential(
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 6), nn.Hardsigmoid()),
        nn.Unflatten(1, (6, 1, 1)),
    )
    start = [nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6, eps=1e-3), nn.ReLU6()]
    end = [nn.Flatten(), nn.Linear(6 * 8 * 8, 5), nn.LogSoftmax(1)]
    return {
        "residual": [
            *start,
            Block(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)), "add", nn.ReLU()),
            Block(squeeze, "mul"),
            *end,
        ],
        "dense": [
            *start,
            Dense(),
            nn.PReLU(12),
            nn.AvgPool2d(2, ceil_mode=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ],
        "norms": [*start, nn.GroupNorm(3, 6), nn.SiLU(), nn.InstanceNorm2d(6, affine=True), nn.ELU(), *end],
        "padding": [*start, nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(6, 6, 3), nn.Flatten(), nn.Linear(6 * 8 * 7, 5)],
        "last axis": [
            *start,
            Block(LastAxis(nn.LayerNorm(6, 1e-6), nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 6)), "add"),
            *end,
        ],
        "shuffle": [
            *(*start, Shuffle(), nn.PixelUnshuffle(2), nn.PixelShuffle(2), nn.Upsample(scale_factor=2)),
            *(nn.MaxPool2d(3, 2, 1), nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1, groups=2), nn.Mish()),
            *(nn.Hardswish(), nn.AdaptiveMaxPool2d(1), nn.Flatten()),
        ],
    }


def exported(name, path, opset):
    """Export a module of PyTorch with numbers that leave nothing at its beginning; return it."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(*torch_modules()[name]).eval()
    with torch.no_grad():
        for key, array in (*module.named_parameters(), *module.named_buffers()):
            if array.is_floating_point():
                array.uniform_(0.5, 1.5) if key.endswith("var") else array.normal_(0, 0.3)
    picture = torch.rand(1, 3, 16, 16)
    torch.onnx.export(
        module, (picture,), path, dynamo=False, opset_version=opset, dynamic_axes={"x": {0: "n"}}, input_names=["x"]
    )
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "opset"),
    [(name, opset) for name in ("dense", "norms", "padding", "shuffle") for opset in (11, 17)]
    + [("residual", 13), ("last axis", 13), ("last axis", 17)],
)
def test_pytorchs_exports(tmp_path, name, opset):
    torch = pytest.importorskip("torch")
    module = exported(name, tmp_path / "m.onnx", opset)
    imported = import_onnx(tmp_path / "m.onnx")
    pictures = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        expected = module(pictures)
    with NumpyEngine(imported.network, imported.parameters, imported.buffers, jobs=1) as engine:
        found = torch.tensor(engine.predict(pictures.permute(0, 2, 3, 1).contiguous().numpy()))
    if isinstance(module[-1], torch.nn.LogSoftmax):
        found = found.log_softmax(1)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)


def changed(proto, rng):
    """Change a setting, a small integer or the operation of a node, as no exporter would."""
    node = proto.graph.node[rng.integers(len(proto.graph.node))]
    settings = [each for each in node.attribute if each.ints or each.type in (1, 2)]
    integers = [each for each in proto.graph.initializer if each.data_type == 7 and each.dims]
    kind = rng.random()
    if kind < 0.6 and settings:
        setting = settings[rng.integers(len(settings))]
        if setting.ints:
            setting.ints[rng.integers(len(setting.ints))] += int(rng.choice([-1, 1, 2]))
        elif setting.type == 2:
            setting.i = int(rng.choice([0, 1, 2, -1]))
        else:
            setting.f = float(rng.choice([0, 0.3, 2]))
    elif kind < 0.8 and integers:
        chosen = integers[rng.integers(len(integers))]
        numbers = onnx.numpy_helper.to_array(chosen).copy()
        numbers.flat[rng.integers(numbers.size)] += rng.choice([-1, 1, 2])
        chosen.CopyFrom(onnx.numpy_helper.from_array(numbers, chosen.name))
    else:
        others = [
            "Relu",
            "Tanh",
            "LeakyRelu",
            "Softplus",
            "Neg",
            "Elu",
            "Add",
            "Mul",
            "Sub",
            "Flatten",
            "Identity",
            "MaxPool",
        ]
        node.op_type = str(rng.choice(others))


def test_a_changed_graph_is_refused_or_computed_as_the_runtime_does(tmp_path):
    options, path, same = runtime.SessionOptions(), tmp_path / "m.onnx", 0
    options.log_severity_level = 4
    for seed in range(120):
        proto = onnx.load(written(model_of(random_text(seed % 6)), path, metadata=False))
        changed(proto, np.random.default_rng(seed))
        path.write_bytes(proto.SerializeToString())
        try:
            imported = import_onnx(path)
        except ModelError:
            continue
        try:
            session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            _, *shape = session.get_inputs()[0].shape
            pictures = np.random.default_rng(seed).random((2, *shape), np.float32) * 255
            (theirs,) = session.run(None, {"image": pictures})
        except Exception:  # the runtime has several kinds
            continue
        pictures = pictures.transpose(0, 2, 3, 1)
        found = imported.normalization.apply(pictures) if imported.normalization else np.ascontiguousarray(pictures)
        with NumpyEngine(imported.network, imported.parameters, imported.buffers, jobs=1) as engine:
            found = engine.predict(found)
        found = found.transpose(0, 3, 1, 2) if found.ndim == 4 else found
        np.testing.assert_allclose(found.reshape(theirs.shape), theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())
        same += 1
    assert same > 20
