"""Occlusion, gradients and Grad-CAM against a direct computation in PyTorch, for three kinds of networks."""

import numpy as np
import pytest
from models import random_model

from cnncli.models.why.explanations import explain_class

torch = pytest.importorskip("torch")
from torch_networks import torch_module  # noqa: E402 -- needs PyTorch

from cnncli.networks.layers import Sequential  # noqa: E402

NETWORKS = {
    "vgg": (
        "20x20x3 conv3-8,same,relu conv3-8,same,relu max2 conv3-12,same,relu conv3-12,same,relu max2 fc-16,relu "
        "fc-3,softmax",
        "4",
    ),
    "residual": (
        "20x20x3 conv3-8,same,bn,relu res[ conv3-8,same,bn,relu conv3-8,same,bn ] res[ conv3-12,s2,p1,bn,relu "
        "conv3-12,p1,bn | conv1-12,s2,bn ] gap fc-3,softmax",
        "2",
    ),
    "inception": (
        "20x20x3 conv3-8,s2,p1,relu cat[ conv1-4,relu | conv1-4,relu conv3-6,same,relu | max3,s1,same conv1-3,relu ] "
        "gap fc-3,softmax",
        "1",
    ),
}
LABEL = 2


@pytest.fixture(scope="module", params=NETWORKS)
def case(request):
    """Return a model, the layer of Grad-CAM, and a picture."""
    text, layer = NETWORKS[request.param]
    picture = np.random.default_rng(3).integers(0, 256, (20, 20, 3), np.uint8)
    return random_model(text), layer, picture


def as_torch(model):
    """Return modules up to the score, one for each word of the network."""
    *words, last = model.network.layers.unrolled
    layers = Sequential((*words, last.words[0]))
    return torch_module(layers, model.input_shape, model.parameters, model.buffers).double().eval()


def normalized(model, pictures):
    """Return pictures (N, H, W, C) as a tensor (N, C, H, W)."""
    mean, std = (np.array(numbers) for numbers in model.normalization._values())
    return torch.tensor((pictures.astype(np.float64) - mean) / std).permute(0, 3, 1, 2)


def close(found, expected):
    """Compare maps, the differences as shares of the largest number."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.abs(expected).max() > 0


def explained(case, method, **options):
    model, _, picture = case
    return explain_class(model, picture, model.class_names[LABEL], methods=(method,), **options).of(method)


def test_grad_cam(case):
    model, layer, picture = case
    network = as_torch(model)
    kept = []
    network[int(layer)].register_forward_hook(lambda _, __, output: kept.append(output))
    score = network(normalized(model, picture[np.newaxis]))[0, LABEL]
    [maps] = kept
    [slopes] = torch.autograd.grad(score, maps)
    weights = slopes.mean(dim=(2, 3))[0]
    expected = torch.relu((weights[:, None, None] * maps[0]).sum(dim=0)).detach().numpy()
    found = explained(case, "gradcam", layer=layer)
    close(found.cells, expected)
    close(found.weights, weights.numpy())


def test_gradient(case):
    model, _, picture = case
    pixels = torch.tensor(picture[np.newaxis].astype(np.float64), requires_grad=True)
    mean, std = (torch.tensor(numbers) for numbers in model.normalization._values())
    as_torch(model)(((pixels - mean) / std).permute(0, 3, 1, 2))[0, LABEL].backward()
    slopes = pixels.grad[0].numpy()
    found = explained(case, "gradient")
    close(found.slopes, slopes)
    close(found.cells, np.abs(slopes).max(axis=2))


def test_smoothed_gradient(case):
    model, _, picture = case
    image = normalized(model, picture[np.newaxis])
    rng, number = np.random.default_rng(5), 7
    sigma = 0.2 * float(image.max() - image.min())
    noise = rng.standard_normal((number, 20, 20, 3), np.float32).astype(np.float64)
    noisy = (image + sigma * torch.tensor(noise).permute(0, 3, 1, 2)).requires_grad_()
    as_torch(model)(noisy)[:, LABEL].sum().backward()
    slopes = noisy.grad.mean(dim=0).permute(1, 2, 0).numpy() / np.array(model.normalization.std)
    close(explained(case, "smooth", samples=number, noise=0.2, seed=5).slopes, slopes)


def test_occlusion(case):
    model, _, picture = case
    network = as_torch(model)

    def probability(pixels):
        return torch.softmax(network(normalized(model, pixels[np.newaxis]))[0], dim=0)[LABEL].item()

    whole, starts = picture.astype(np.float64), (0, 4, 8, 12, 14)
    expected = np.empty((5, 5))
    with torch.no_grad():
        before = probability(whole)
        for row, top in enumerate(starts):
            for column, left in enumerate(starts):
                covered = whole.copy()
                covered[top : top + 6, left : left + 6] = model.normalization.mean
                expected[row, column] = before - probability(covered)
    found = explained(case, "occlusion", patch=6, stride=4)
    assert np.abs(found.cells - expected).max() <= 1e-5 * before
    assert np.ptp(expected) > 1e-4


@pytest.mark.parametrize("method", ["gradient", "smooth", "gradcam"])
def test_both_engines_agree(case, method):
    model, layer, picture = case
    ours, theirs = (
        explain_class(one, picture, methods=(method,), layer=layer if method == "gradcam" else None)
        for one in (model, model.on("torch", "cpu"))
    )
    assert theirs.score == pytest.approx(ours.score, rel=1e-5)
    close(theirs.of(method).cells, ours.of(method).cells)
