"""Every network of the zoo that torchvision or timm has: random weights there and here, and back; the same outputs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.models.opening import load_model
from cnncli.models.weights import export_weights

torchvision = pytest.importorskip("torchvision")
timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")

SAMPLES = Path(__file__).parents[3] / "samples"

TORCHVISION = {
    **{name: name for name in ("vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34", "resnet50", "resnet101")},
    "resnet152": "resnet152",
    "alexnet-torchvision": "alexnet",
    "resnext50": "resnext50_32x4d",
    "squeezenet1.0": "squeezenet1_0",
    "squeezenet1.1": "squeezenet1_1",
    "densenet121": "densenet121",
    "googlenet-torchvision": "googlenet",
    "mobilenet-v2": "mobilenet_v2",
    "mobilenet-v3-small": "mobilenet_v3_small",
    "mobilenet-v3-large": "mobilenet_v3_large",
    "efficientnet-b0": "efficientnet_b0",
    "convnext-t": "convnext_tiny",
}
TIMM = {
    **{name: theirs for name, theirs in TORCHVISION.items() if name.startswith(("vgg", "res", "densenet"))},
    "mobilenet-v2": "mobilenetv2_100",
    "mobilenet-v3-small": "mobilenetv3_small_100",
    "mobilenet-v3-large": "mobilenetv3_large_100",
    "efficientnet-b0": "efficientnet_b0",
    "convnext-t": "convnext_tiny",
}
NETWORKS = [("torchvision", *pair) for pair in TORCHVISION.items()] + [("timm", *pair) for pair in TIMM.items()]


def build(program, name, **options):
    if program == "timm":
        return timm.create_model(name, **options).eval()
    options |= {"init_weights": True} if name == "googlenet" else {}
    return getattr(torchvision.models, name)(weights=None, **options).eval()


def randomize(module):
    """Give a module weights that no array could be left out of unnoticed."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, array in module.state_dict().items():
            if name.endswith(("running_var", "gamma", "layer_scale")) or (name.endswith("weight") and array.ndim == 1):
                array.uniform_(0.5, 1.5)
            elif array.ndim == 1:
                array.normal_(0, 0.1)
    return module


@pytest.fixture(scope="module")
def photographs():
    scene = np.asarray(Image.open(SAMPLES / "scene.jpg").convert("RGB"))
    return np.stack([scene[:224, :224], scene[-224:, -224:]])


def outputs(model, photographs):
    """The outputs of a model before a last softmax."""
    size = len(model.class_names) * len(photographs)
    found = [array for _, array in model._activations(photographs) if array.size == size]
    return [array.reshape(len(photographs), -1) for array in found]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
@pytest.mark.parametrize(("program", "name", "theirs"), NETWORKS)
@pytest.mark.filterwarnings("ignore")
def test_outputs_and_weights_are_the_same_there_and_here(
    tmp_path, monkeypatch, photographs, program, name, theirs, ending
):
    monkeypatch.chdir(tmp_path)
    module = randomize(build(program, theirs))
    state = module.state_dict()
    if ending == "pth":
        torch.save(state, "weights.pth")
    else:
        from safetensors.torch import save_file

        save_file(state, "weights.safetensors")
    model = load_model(f"{name}=weights.{ending}")
    with torch.no_grad():
        x = torch.from_numpy(model.normalization.apply(photographs)).permute(0, 3, 1, 2)
        wanted = module(x).numpy()
    largest = np.abs(wanted).max()
    assert min(np.abs(found - wanted).max() for found in outputs(model, photographs)) < 1e-4 * largest

    export_weights(model, "back.safetensors", names=program)
    from safetensors.torch import load_file

    back = load_file("back.safetensors")
    assert all(torch.equal(array, state[key]) for key, array in back.items())
    fresh = build(program, theirs, **({"aux_logits": False} if theirs == "googlenet" else {}))
    fresh.load_state_dict(back, strict=True)
    for path in tmp_path.iterdir():  # half a gigabyte each
        path.unlink()
