"""Time and memory of style transfer with VGG-19's shape, beside PyTorch.

A step is what L-BFGS asks for once: the costs of Gatys, Ecker and Bethge 2016 (conv1_1 to conv5_1 for the style,
conv4_2 for the content, total variation), and their gradient by the pixels. Weights are random, which takes as long as
trained ones. PyTorch computes the same costs from the same weights, with autograd. Memory is the peak of a process of
its own, which runs `transfer_style`; with `--memory 500M` it computes in tiles, and its costs are compared.

    python benchmarks/style.py [--size 512x384] [--threads 1] [--rounds 5] [--steps 3]
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from timing import alternating

from cnncli.data.normalization import Normalization
from cnncli.engines.backends import Backend
from cnncli.engines.blas import single_threaded_blas
from cnncli.engines.initialization import initialize
from cnncli.models.style.networks import JudgingNetwork, default_layers
from cnncli.models.style.objective import Measures, Objective, Style, Weights
from cnncli.models.style.options import StyleOptions
from cnncli.models.style.transfer import transfer_style
from cnncli.networks import Network, load_network
from cnncli.networks.layers import Sequential

LAYERS = 17  # words of VGG-19 up to conv5_1


def vgg() -> JudgingNetwork:
    """Return the convolutions of VGG-19 with random weights."""
    whole = load_network("vgg19")
    network = Network((224, 224, 3), Sequential(whole.layers.unrolled[:LAYERS]))
    parameters, buffers = initialize(network, 0)
    rng = np.random.default_rng(0)
    for name, array in parameters.items():
        if array.ndim == 4:
            parameters[name] = rng.normal(0, (2 / np.prod(array.shape[:3])) ** 0.5, array.shape).astype(np.float32)
    style, content = default_layers(network)
    return JudgingNetwork(network, parameters, buffers, Normalization.called("imagenet"), Backend(), (content,), style)


def blobs(size: tuple[int, int], seed: int) -> np.ndarray:
    """Return a picture of soft areas."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (size[0] // 16 + 1, size[1] // 16 + 1, 3))
    fine = np.kron(coarse, np.ones((16, 16, 1)))[: size[0], : size[1]]
    return (fine + rng.normal(0, 8, fine.shape)).clip(0, 255)


class Ours:
    """The step of cnncli."""

    def __init__(self, judge: JudgingNetwork, size: tuple[int, int], threads: int) -> None:
        weights = Weights(dict.fromkeys(judge.content, 1.0), dict.fromkeys(judge.style, 1e3), 1.0)
        measures = Measures(judge, weights.layers, jobs=threads)
        grams, positions = measures.grams(blobs(size, 1), judge.style)
        style = Style({name: gram / positions[name] for name, gram in grams.items()}, 1.0)
        content = blobs(size, 2)
        self.objective = Objective(measures, weights, content, [style], content.shape, relative=False)

    def step(self, picture: np.ndarray) -> tuple[float, np.ndarray]:
        with single_threaded_blas():  # as in a transfer
            found = self.objective(picture)
        return found.total, found.gradient


class Theirs:
    """The step of PyTorch."""

    def __init__(self, judge: JudgingNetwork, size: tuple[int, int], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch, self.judge = torch, judge
        self.modules: list[tuple[str, Any]] = []
        for number, word in enumerate(judge.network.layers.unrolled):
            weight = judge.parameters.get(f"{number}.conv.weight")
            self.modules.append((str(number), torch.nn.MaxPool2d(2) if weight is None else self.convolution(number)))
            assert weight is not None or str(word) == "max2"
        with torch.no_grad():
            self.content = self.outputs(torch.tensor(blobs(size, 2)))
            self.style = {name: self.gram(y) for name, y in self.outputs(torch.tensor(blobs(size, 1))).items()}

    def convolution(self, number: int) -> Any:
        torch = self.torch
        weight = np.ascontiguousarray(self.judge.parameters[f"{number}.conv.weight"].transpose(3, 2, 0, 1))
        module = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, padding_mode="reflect")
        module.weight = torch.nn.Parameter(torch.tensor(weight), requires_grad=False)
        bias = torch.tensor(self.judge.parameters[f"{number}.conv.bias"])
        module.bias = torch.nn.Parameter(bias, requires_grad=False)
        return torch.nn.Sequential(module, torch.nn.ReLU())

    def outputs(self, picture: Any) -> dict[str, Any]:
        torch, normalization = self.torch, self.judge.normalization
        y = ((picture - torch.tensor(normalization.mean)) / torch.tensor(normalization.std)).float()
        y, found = y.permute(2, 0, 1)[None], {}
        for name, module in self.modules:
            y = module(y)
            if name in (*self.judge.style, *self.judge.content):
                found[name] = y
        return found

    def gram(self, y: Any) -> Any:
        f = y[0].flatten(1)
        return f @ f.T

    def step(self, picture: np.ndarray) -> tuple[float, np.ndarray]:
        x = self.torch.tensor(picture, requires_grad=True)
        found = self.outputs(x)
        total = sum(((found[name] - self.content[name]) ** 2).sum() / 2 for name in self.judge.content)
        for name in self.judge.style:
            filters, positions = found[name].shape[1], found[name][0, 0].numel()
            squares = ((self.gram(found[name]) - self.style[name]) ** 2).sum()
            total = total + 1e3 * squares / (4 * filters**2 * positions**2)
        z = x / 255
        total = total + (((z[1:] - z[:-1]) ** 2).sum() + ((z[:, 1:] - z[:, :-1]) ** 2).sum()) / z.numel()
        total.backward()
        return total.item(), x.grad.numpy()


def transferred(size: tuple[int, int], threads: int, steps: int, memory: int | None) -> None:
    """Transfer at one size, and print the costs and the peak of this process."""
    import resource

    options = StyleOptions(size=max(size), steps=steps, levels=1, memory=memory)
    pictures = (blobs(size, seed).astype(np.uint8) for seed in (2, 1))
    result = transfer_style(*pictures, options, vgg(), jobs=threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    costs = {f"{term.kind} {term.layer}": term.value for term in result.ends}
    print(json.dumps({"peak": peak, "seconds": result.seconds, "costs": costs}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="512x384", help="width x height")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="of the transfers whose memory is measured")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    size = height, width
    if given.child:
        transferred(size, given.threads, given.steps, given.memory)
        return
    found = []
    for memory in (None, 500_000_000):
        words = [sys.executable, str(Path(__file__)), "--child", "--size", given.size, "--steps", str(given.steps)]
        words += ["--threads", str(given.threads), *([] if memory is None else ["--memory", str(memory)])]
        found.append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
        limit = "without a limit" if memory is None else "with --memory 500M"
        print(f"{limit}: peak {found[-1]['peak']:,.0f} MB, {found[-1]['seconds']:.1f} s for {given.steps} steps")
    apart = max(abs(found[1]["costs"][name] / value - 1) for name, value in found[0]["costs"].items() if value)
    print(f"costs of the two differ by {apart:.2%} at most")
    judge, picture = vgg(), blobs(size, 3)
    ours, theirs = Ours(judge, size, given.threads), Theirs(judge, size, given.threads)
    (total, gradient), (other, expected) = ours.step(picture), theirs.step(picture)
    error = np.linalg.norm(gradient - expected) / np.linalg.norm(expected)
    print(f"cost {total:.6g}, PyTorch {other:.6g}; gradients differ by {error:.1e}")
    calls = [lambda: ours.step(picture), lambda: theirs.step(picture)]
    for name, clock in (("seconds", time.perf_counter), ("processor seconds", time.process_time)):
        first, second = alternating(calls, given.rounds, clock)
        print(f"step of {given.size}, {given.threads} threads: {first:.2f} {name}, PyTorch {second:.2f}")
        print(f"ratio {first / second:.2f}")


if __name__ == "__main__":
    main()
