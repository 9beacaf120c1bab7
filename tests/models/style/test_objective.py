"""The sum of costs and its gradient: against PyTorch, finite differences, and tile by tile."""

import numpy as np
import pytest

from cnncli.data.normalization import Normalization
from cnncli.engines.backends import Backend
from cnncli.engines.initialization import initialize
from cnncli.errors import ArgumentError
from cnncli.models.style.networks import JudgingNetwork, default_layers
from cnncli.models.style.objective import Measures, Objective, Style, Weights
from cnncli.models.style.tiles import receptive_fields, tilings
from cnncli.networks import Network, load_network, parse_network
from cnncli.networks.layers import Sequential

VGG = load_network("vgg19")
NETWORKS = {
    "vgg19": Network((224, 224, 3), Sequential(VGG.layers.unrolled[:17])),
    "residual": parse_network(
        "32x32x3 conv7-8,s2,p3,bn,relu max3,s2,p1 res[ conv3-8,p1,bn,relu conv3-8,p1,bn ] "
        "res[ conv3-16,s2,p1,bn,relu conv3-16,p1,bn | conv1-16,s2,bn ] res[ conv3-16,p1,bn,relu conv3-16,p1,bn ]"
    ),
    "inception": parse_network(
        "32x32x3 conv3-8,p1,relu max2 cat[ conv1-4,relu | conv1-4,relu conv3-6,p1,relu | conv1-2,relu conv5-4,p2,relu "
        "| max3,s1,p1 conv1-4,relu ] max2 conv3-12,p1,relu"
    ),
}


def judge(network, seed=0):
    rng = np.random.default_rng(seed)
    parameters, buffers = initialize(network, seed)
    for name, array in parameters.items():  # the last ones begin at nearly nothing
        if array.ndim == 4:
            parameters[name] = rng.normal(0, (2 / np.prod(array.shape[:3])) ** 0.5, array.shape).astype(np.float32)
    style, content = default_layers(network)
    return JudgingNetwork(network, parameters, buffers, Normalization.called("imagenet"), Backend(), (content,), style)


def smooth(size, seed):
    """A picture of soft blobs."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (size[0] // 8 + 2, size[1] // 8 + 2, 3))
    fine = np.kron(coarse, np.ones((8, 8, 1)))[: size[0], : size[1]]
    return fine + rng.normal(0, 3, fine.shape)


def objective(network, size=(40, 56), dtype=np.float64, memory=None, mask=None, relative=True, count=1):
    judging = judge(network)
    weights = Weights(
        dict.fromkeys(judging.content, 1.0), {name: 2.0 + place for place, name in enumerate(judging.style)}, 0.5
    )
    measures = Measures(judging, weights.layers, dtype=dtype)
    styles = []
    for seed in range(count):
        grams, positions = measures.grams(smooth((33, 47), 10 + seed), judging.style)
        styles.append(Style({name: gram / positions[name] for name, gram in grams.items()}, (seed + 1) / count))
    content = smooth(size, 2)
    measures.memory = memory
    return Objective(measures, weights, content, styles, content.shape, mask=mask, relative=relative)


@pytest.mark.parametrize("name", [pytest.param("vgg19", marks=pytest.mark.slow), "residual", "inception"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_costs_and_gradient_are_those_of_pytorch(name, dtype):
    torch = pytest.importorskip("torch")
    made = objective(NETWORKS[name], dtype=dtype, relative=False)
    picture = smooth((40, 56), 3)
    found = made(picture)
    values, gradient = by_torch(torch, made, picture, dtype)
    tolerance = 1e-5 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose([term.value for term in found.terms], values, rtol=tolerance)
    assert np.linalg.norm(found.gradient - gradient) <= tolerance * np.linalg.norm(gradient)


def by_torch(torch, made, picture, dtype):
    """Return the costs and the gradient by PyTorch alone, from the same weights and formulas."""
    judging = made.measures.judge
    mean, std = (np.array(numbers) for numbers in (judging.normalization.mean, judging.normalization.std))

    def outputs(x):
        y = ((x - torch.tensor(mean)) / torch.tensor(std)).permute(2, 0, 1)[None].to(kind)
        found = {}
        for word, module in modules.items():
            y = found[word] = module(y)
        return found

    kind = torch.float32 if dtype == np.float32 else torch.float64
    modules = torch_words(torch, judging, kind)
    x = torch.tensor(picture, requires_grad=True)
    found, wanted = outputs(x), outputs(torch.tensor(smooth((40, 56), 2)))
    other = outputs(torch.tensor(smooth((33, 47), 10)))
    terms, total = [], 0
    for name, weight in made.weights.content.items():
        terms.append(((found[word(name)] - wanted[word(name)]) ** 2).sum() / 2)
        total = total + weight * terms[-1]
    for name, weight in made.weights.style.items():
        f, a = (one[word(name)][0].flatten(1) for one in (found, other))
        count = f.shape[1]
        terms.append((((f @ f.T) - (a @ a.T) * count / a.shape[1]) ** 2).sum() / (4 * f.shape[0] ** 2 * count**2))
        total = total + weight * terms[-1]
    z = x / 255
    terms.append((((z[1:] - z[:-1]) ** 2).sum() + ((z[:, 1:] - z[:, :-1]) ** 2).sum()) / z.numel())
    total = total + made.weights.variation * terms[-1]
    total.backward()
    return [term.item() for term in terms], x.grad.numpy()


def word(name):
    return name.partition(".")[0]


def torch_words(torch, judging, kind):
    """Return a module for each word of a network, whose convolutions see reflections at the borders."""
    from torch_networks import torch_module

    from cnncli.networks.layers.context import within

    shape, modules = judging.network.input_shape, {}
    for number, layer in enumerate(judging.network.layers.unrolled):
        arrays = (within(given, f"{number}.") for given in (judging.parameters, judging.buffers))
        modules[str(number)] = torch_module(
            Sequential((layer,)), shape, *({f"0.{n}": a for n, a in one.items()} for one in arrays)
        )
        shape = layer.output_shape(shape)
        modules[str(number)].eval().to(kind)
        for module in modules[str(number)].modules():
            if isinstance(module, torch.nn.Conv2d):
                module.padding_mode = "reflect"
    return modules


@pytest.mark.parametrize("name", ["residual", "inception"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_against_finite_differences(name, masked):
    mask = np.random.default_rng(0).uniform(0, 1, (40, 56)) if masked else None
    made = objective(NETWORKS[name], mask=mask, count=2)
    picture = smooth((40, 56), 3)
    gradient = made(picture).gradient
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=picture.shape)
        # Kinks between the two ends are passed over with a smaller step.
        exact = float((gradient * direction).sum())
        differences = [
            (made(picture + step * direction).total - made(picture - step * direction).total) / (2 * step)
            for step in (1e-3, 1e-4, 1e-5)
        ]
        assert min(abs(difference - exact) for difference in differences) <= 1e-6 * abs(exact)


def least(network, size):
    """Return the memory that the smallest tiles take."""
    measures = objective(network, size).measures
    return min(measures.bytes(shape) for shape, _ in tilings(network, (*size, 3), measures.layers))


@pytest.mark.parametrize("size", [(96, 131), (200, 40)])
@pytest.mark.parametrize("name", ["residual", "inception"])
def test_tiles_make_the_same_costs_and_gradient(name, size):
    network = NETWORKS[name]
    mask = np.random.default_rng(0).uniform(0, 1, size)
    whole = objective(network, size, mask=mask)
    tiled = objective(network, size, mask=mask, memory=least(network, size))
    assert len(whole.tiling.tiles) == 1 < len(tiled.tiling.tiles)
    picture = smooth(size, 3)
    one, other = whole(picture), tiled(picture)
    np.testing.assert_allclose([term.value for term in other.terms], [term.value for term in one.terms], rtol=1e-9)
    np.testing.assert_allclose(other.gradient, one.gradient, rtol=1e-7, atol=1e-9 * np.abs(one.gradient).max())


@pytest.mark.parametrize(
    "text",
    [
        "32x32x3 conv3-4,s2,same,relu conv3-4,s2,same,relu conv3-4,s2,same,relu",
        "32x32x3 conv4-4,relu max3,s2 conv3-4,relu avg2",
        "32x32x3 conv3-4,d2,p2,relu max2,ceil dw3,same,relu add[ conv3-4,same,bn ] conv5-4,same",
    ],
)
@pytest.mark.parametrize("size", [(97, 90), (128, 83)])
def test_tiles_of_layers_that_pad_unevenly_or_drop_pixels(text, size):
    network = parse_network(text)
    whole, tiled = objective(network, size), objective(network, size, memory=least(network, size))
    assert len(tiled.tiling.tiles) > 1
    picture = smooth(size, 3)
    one, other = whole(picture), tiled(picture)
    assert other.total == pytest.approx(one.total, rel=1e-9)
    np.testing.assert_allclose(other.gradient, one.gradient, rtol=1e-7, atol=1e-9 * np.abs(one.gradient).max())


def test_the_fastest_tiles_that_fit_are_taken():
    network = NETWORKS["inception"]
    size = (96, 131)
    most, few = objective(network, size).measures.bytes((*size, 3)), least(network, size)
    counts = [len(objective(network, size, memory=some).tiling.tiles) for some in (most, (most + few) // 2, few)]
    assert counts == sorted(counts)
    assert counts[0] == 1


def test_too_little_memory_and_layers_that_see_all_are_told():
    with pytest.raises(ArgumentError, match=r"the smallest tiles of 40x56 pixels take .* MB, more than the 0 MB"):
        objective(NETWORKS["inception"], memory=1000)
    network = parse_network("16x16x3 conv3-4,relu mul[ | gap conv1-4,sigmoid ] conv3-4,relu")
    with pytest.raises(ArgumentError, match="depends on the whole picture"):
        objective(network, memory=1000)


def test_receptive_fields_are_those_of_the_summary():
    layers = ["0", "3", "6", "11", "16"]
    fields = receptive_fields(VGG, (224, 224, 3), layers)
    rows = {row.name: row.receptive_field for row in VGG.summary().rows}
    assert fields == {name: rows[f"{name}.conv"] for name in layers}
