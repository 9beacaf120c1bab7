"""Training a detector: `cnncli train` beside the same network and recipe in PyTorch, on pictures with boxes.

The data are of any kind that `train` takes, with a part for test: folders train/ and test/ of Pascal VOC, say. Both
sides are processes with two threads, from reading to the scores on the test part, and take what `train` chooses by
default. The PyTorch side has its own modules, a loss by autograd and AdamW; first weights, batches and the cells
that learn a box are cnncli's, and so is the judgement. It keeps its last epoch, cnncli the best one on the validation
images.

Lines of Markdown: mean average precision at an overlap of 0.5 and over 0.5 to 0.95, seconds and seconds of processor.
Without PyTorch, cnncli's alone. `--engines numpy torch` also trains with `--engine torch`.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from timing import spent

from cnncli.arrays import Array
from cnncli.engines.detection.assignment import assign
from cnncli.engines.detection.losses import DetectionLoss
from cnncli.engines.initialization import initialize
from cnncli.models.detector import LEAST
from cnncli.models.judging.box_scores import judge_boxes
from cnncli.training.batches import made_ready, make_batches
from cnncli.training.configuration import Configuration
from cnncli.training.preparing.preparation import Preparation, prepare

sys.path.insert(0, str(Path(__file__).parents[1]))


def loss_of(outputs: Any, labels: Array, loss: DetectionLoss) -> Any:
    """Return the loss of outputs (N, channels, rows, columns), a tensor, divided by the number of boxes."""
    import torch
    from torch.nn import functional

    grid = loss.grid
    numbers = outputs.permute(0, 2, 3, 1).reshape(len(outputs), grid.count, grid.channels)
    found = assign(grid, labels, loss.radius)
    learning, learnt = (found.pictures, found.cells), torch.from_numpy(labels[found.pictures, found.rows])
    wanted = torch.zeros(numbers.shape[:2])
    weights = torch.from_numpy(np.where(found.ignored, 0, 1 - loss.alpha).astype(np.float32))
    wanted[learning], weights[learning] = 1, loss.alpha
    logistic = functional.binary_cross_entropy_with_logits(numbers[..., 0], wanted, reduction="none")
    objectness = (weights * (wanted - numbers[..., 0].sigmoid()).abs() ** loss.gamma * logistic).sum()
    chosen, strides = numbers[learning], torch.tensor(grid.strides[::-1])
    middles = torch.from_numpy(np.stack(np.divmod(found.cells, grid.cells[1])[::-1], 1) + 0.5).float()
    centres, half = (middles + chosen[:, 1:3]) * strides, chosen[:, 3:5].exp() * strides / 2
    low, high = centres - half, centres + half
    left, right = learnt[:, 1:3], learnt[:, 1:3] + learnt[:, 3:]
    shared = (torch.minimum(high, right) - torch.maximum(low, left)).clamp(min=0).prod(1)
    union = (high - low).prod(1) + (right - left).prod(1) - shared
    hull = (torch.maximum(high, right) - torch.minimum(low, left)).prod(1)
    box = (2 - shared / union - union / hull).sum()
    label = functional.cross_entropy(chosen[:, 5:], learnt[:, 0].long(), reduction="sum")
    return (objectness + loss.box_weight * box + loss.label_weight * label) / loss.total_weight(labels)


def train_with_pytorch(preparation: Preparation, threads: int) -> dict[str, float]:
    """Return the scores on the test part of the same training in PyTorch."""
    import torch

    from tests.torch_networks import torch_module

    torch.set_num_threads(threads)
    network, options, loss = preparation.network, preparation.configuration, preparation.loss
    assert isinstance(loss, DetectionLoss)
    arrays = initialize(network, seed=options.seed)
    preparation.aim.begin(network, arrays[0])
    module = torch_module(network.layers, network.input_shape, *arrays).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=options.weight_decay or 0.0)
    step, steps = 0, preparation.steps_per_epoch
    for epoch in range(preparation.epochs):
        with closing(made_ready(make_batches(preparation, epoch))) as batches:
            for batch in batches:
                optimizer.param_groups[0]["lr"] = options.learning_rate(step, steps)
                optimizer.zero_grad()
                loss_of(module(tensor(batch.images)), batch.labels, loss).backward()
                optimizer.step()
                step += 1
    return judged(preparation, module.eval(), arrays)


def tensor(images: Array) -> Any:
    """Return images (N, H, W, C) as PyTorch takes them: (N, C, H, W), with the same memory."""
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2)


def judged(
    preparation: Preparation, module: Any, arrays: tuple[dict[str, Array], dict[str, Array]]
) -> dict[str, float]:
    """Return the scores of a module on the test part."""
    import torch

    test, normalization = preparation.test, preparation.normalization
    assert test is not None
    details = preparation.class_names, normalization, preparation.resize, preparation.train.scale
    model: Any = preparation.aim.model(preparation.network, *arrays, *details)
    found: list[Any] = []
    with torch.no_grad():
        for indices, images in test.chunks():
            outputs = module(tensor(normalization.apply(images))).permute(0, 2, 3, 1).numpy()
            sizes = [(height, width) for height, width in test.sizes[indices].tolist()]
            found += model.boxes(np.ascontiguousarray(outputs), sizes, threshold=LEAST)
    scores = judge_boxes(found, test.boxes, preparation.class_names)
    return {"map_50": scores.map_50, "map": scores.map}


def line(name: str, command: list[str], prefix: str = "") -> str:
    """Return the line of a side, whose last line of output has its scores."""
    with tempfile.NamedTemporaryFile() as output:
        took = spent(command, output)
        scores = json.loads(Path(output.name).read_text().splitlines()[-1])
    precisions = " | ".join(f"{scores[prefix + name]:.3f}" for name in ("map_50", "map"))
    return f"| {name} | {precisions} | {took.seconds:.0f} s | {took.processor:.0f} s |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--val", help="as of train; 0 trains on all pictures of train/, for the last epoch")
    parser.add_argument("--engines", nargs="+", choices=["numpy", "torch"], default=["numpy"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--twin", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    chosen = {name: getattr(options, name) for name in ("seed", "epochs", "val") if getattr(options, name) is not None}
    if options.twin:
        preparation = prepare(Configuration(**chosen), options.data, jobs=options.jobs)
        print(json.dumps(train_with_pytorch(preparation, options.jobs)))
        return
    words = [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
    words += ["--jobs", str(options.jobs)]
    print("| | mAP at 0.5 | mAP | time | processor |\n|---|---:|---:|---:|---:|", flush=True)
    for engine in options.engines:
        with tempfile.TemporaryDirectory() as folder:
            train = [sys.executable, "-m", "cnncli", "train", options.data, "-o", folder, "--json", "--engine", engine]
            print(line(f"cnncli, {engine}", [*train, *words], "test_"), flush=True)
    if importlib.util.find_spec("torch"):
        print(line("PyTorch", [sys.executable, __file__, options.data, "--twin", *words]), flush=True)


if __name__ == "__main__":
    main()
