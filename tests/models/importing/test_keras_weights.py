"""Weights that Keras saved: all its layouts give the same network, and damaged files are one line."""

import os
import zipfile

import numpy as np
import pytest
from scipy import ndimage

from cnncli.data import ArrayDataset
from cnncli.errors import ModelError
from cnncli.models.importing.named import import_named
from cnncli.models.opening import load_model
from cnncli.models.told import Told

h5py = pytest.importorskip("h5py", reason="the extra cnncli[keras] is not installed")

NETWORK = """
input = "9x8x3"
layers = "conv3-4,s2,p1,bn,relu6 dw3,s2,p1,bn conv1-5 gap fc-3,softmax"
[weights.keras]
names = "stem stem_BN depth depth_BN point predictions"
normalization = "caffe"
channels = "bgr"
resize = "stretch"
eps = 1e-3
padding = "same"
"""
ROLES = {
    "stem": ["kernel"],
    "stem_BN": ["gamma", "beta", "moving_mean", "moving_variance"],
    "depth": ["depthwise_kernel"],
    "depth_BN": ["gamma", "beta", "moving_mean", "moving_variance"],
    "point": ["kernel", "bias"],
    "predictions": ["kernel", "bias"],
}
CLASSES = {
    "stem": "conv2d",
    "stem_BN": "batch_normalization",
    "depth": "depthwise_conv2d",
    "depth_BN": "batch_normalization_1",
    "point": "conv2d_1",
    "predictions": "dense",
}
SHAPES = {"stem": (3, 3, 3, 4), "depth": (3, 3, 4, 1), "point": (1, 1, 4, 5), "predictions": (5, 3)}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(NETWORK)
    return tmp_path


def arrays(seed=0, **shapes):
    """Random arrays by layer and name, with Keras's axes."""
    rng, shapes, found = np.random.default_rng(seed), {**SHAPES, **shapes}, {}
    for layer, names in ROLES.items():
        for name in names:
            if name.endswith("kernel"):
                found[layer, name] = rng.normal(0, 0.3, shapes[layer])
            else:
                size = 4 if layer.endswith("_BN") else shapes[layer][-1]
                found[layer, name] = rng.uniform(0.5, 1.5, size)
    return {key: array.astype(np.float32) for key, array in found.items()}


def write_keras_2(path, stored, prefix="", **options):
    with h5py.File(path, "w") as file:
        root = file.create_group(prefix) if prefix else file
        root.attrs["layer_names"] = [layer.encode() for layer in ROLES]
        if prefix:
            file.create_dataset("optimizer_weights/adam/m:0", data=np.ones(3, np.float32))
        for (layer, name), array in stored.items():
            root.create_dataset(f"{layer}/{layer}/{name}:0", data=array, **options)


def write_keras_3(path, stored, names=True, prefix="layers"):
    with h5py.File(path, "w") as file:
        for (layer, name), array in stored.items():
            group = file.require_group(f"{prefix}/{CLASSES[layer]}/vars")
            if names:
                group.attrs["name"] = layer
            group.create_dataset(str(ROLES[layer].index(name)), data=array)
        file.create_dataset(f"{prefix}/dropout/seed_generator/vars/0", data=np.zeros(2, np.uint32))
        file.create_dataset("optimizer/vars/0", data=np.ones(3, np.float32))


def write_archive(path, stored, **options):
    write_keras_3(path.with_suffix(".h5"), stored)
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr(
            "config.json", '{"class_name": "Lambda", "config": {"function": "__import__(\'os\').abort()"}}'
        )
        archive.write(path.with_suffix(".h5"), "model.weights.h5")


LAYOUTS = {
    "weights of Keras 2": (".h5", write_keras_2),
    "a model of Keras 2": (".h5", lambda path, stored: write_keras_2(path, stored, "model_weights")),
    "weights of Keras 3": (".weights.h5", write_keras_3),
    "weights of Keras 3 inside a model": (
        ".weights.h5",
        lambda path, stored: write_keras_3(path, stored, prefix="layers/functional/layers"),
    ),
    "weights of an early Keras 3, without names": (
        ".weights.h5",
        lambda path, stored: write_keras_3(path, stored, names=False),
    ),
    "a .keras archive": (".keras", write_archive),
    "HDF5 under another ending": (".bin", write_keras_3),
}


def convolved(picture, weight, step):
    """Convolve (H, W, C) with TensorFlow's padding `same`, number by number; depthwise where the weights are."""
    (f_h, f_w, depth, filters), (height, width, _) = weight.shape, picture.shape
    rows, columns = -(-height // step), -(-width // step)
    total = [max(0, (n - 1) * step + f - size) for n, f, size in ((rows, f_h, height), (columns, f_w, width))]
    wide = np.pad(picture, [(each // 2, each - each // 2) for each in total] + [(0, 0)])
    out = np.zeros((rows, columns, depth if filters == 1 else filters))
    for i in range(rows):
        for j in range(columns):
            window = wide[i * step : i * step + f_h, j * step : j * step + f_w]
            products = window[..., np.newaxis] * weight
            out[i, j] = products.sum(axis=(0, 1))[:, 0] if filters == 1 else products.sum(axis=(0, 1, 2))
    return out


def expected(picture, stored):
    """What Keras computes for an RGB picture, after `preprocess_input` of VGG."""

    def norm(x, layer):
        gamma, beta, mean, variance = (stored[layer, name] for name in ROLES[layer])
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    x = picture[..., ::-1].astype(float) - [103.939, 116.779, 123.68]
    x = norm(convolved(x, stored["stem", "kernel"], 2), "stem_BN").clip(0, 6)
    x = norm(convolved(x, stored["depth", "depthwise_kernel"], 2), "depth_BN")
    x = x @ stored["point", "kernel"][0, 0] + stored["point", "bias"]
    logits = x.mean(axis=(0, 1)) @ stored["predictions", "kernel"] + stored["predictions", "bias"]
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


PICTURES = np.random.default_rng(1).integers(0, 256, (4, 9, 8, 3)).astype(np.uint8)


def predicted(word, told=None):
    """The probabilities that a model gives the pictures."""
    model = load_model(word, told=told or Told())
    return model.classify(ArrayDataset(PICTURES, np.zeros(4, int), model.class_names, "pictures"), 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_computes_what_keras_computes(folder, layout):
    suffix, write = LAYOUTS[layout]
    stored = arrays()
    write(folder / f"weights{suffix}", stored)
    found = predicted(f"small.toml=weights{suffix}")
    assert found == pytest.approx(np.array([expected(each, stored) for each in PICTURES]), abs=1e-5)
    assert np.ptp(found, axis=0).max() > 0.05  # the pictures matter


def test_what_the_network_is_and_expects(folder):
    write_keras_3(folder / "weights.h5", arrays())
    found = import_named("small.toml", folder / "weights.h5")
    assert str(found.network).split()[1:3] == ["conv3-4,s2,same,bn,eps0.001,relu6", "dw3,s2,same,bn,eps0.001"]
    assert found.normalization.mean == (123.68, 116.779, 103.939)
    assert (found.resize, found.origin) == ("stretch", "small with weights of keras")


def test_of_another_normalization_colours_stay_in_their_order(folder):
    """Who trained the network on pixels from 0 to 1 did so on RGB."""
    stored = arrays()
    write_keras_3(folder / "weights.h5", stored)
    found = predicted("small.toml=weights.h5", Told(normalization=((10.0, 20.0, 30.0), (1, 1, 1))))
    turned = {**stored, ("stem", "kernel"): stored["stem", "kernel"][:, :, ::-1]}
    shifted = PICTURES - np.array([10.0, 20.0, 30.0]) + [123.68, 116.779, 103.939]  # which `expected` takes away again
    assert found == pytest.approx(np.array([expected(each, turned) for each in shifted]), abs=1e-5)


@pytest.mark.parametrize("layout", ["weights of Keras 2", "weights of an early Keras 3, without names"])
def test_a_head_of_another_size(folder, layout):
    suffix, write = LAYOUTS[layout]
    write(folder / f"w{suffix}", stored := arrays(predictions=(5, 7)))
    assert predicted(f"small.toml=w{suffix}") == pytest.approx(
        np.array([expected(each, stored) for each in PICTURES]), abs=1e-5
    )


def test_a_head_of_another_name(folder):
    """As `Sequential([MobileNetV2(include_top=False), GlobalAveragePooling2D(), Dense(7)])` has it."""
    stored = arrays(predictions=(5, 7))
    with h5py.File(folder / "w.h5", "w") as file:
        for (layer, name), array in stored.items():
            path = "layers/dense/vars" if layer == "predictions" else f"layers/functional/layers/{CLASSES[layer]}/vars"
            group = file.require_group(path)
            group.attrs["name"] = "dense" if layer == "predictions" else layer
            group.create_dataset(str(ROLES[layer].index(name)), data=array)
    assert predicted("small.toml=w.h5") == pytest.approx(
        np.array([expected(each, stored) for each in PICTURES]), abs=1e-5
    )


@pytest.mark.parametrize("inputs", [5, 4])
def test_of_two_heads_or_one_that_does_not_fit_all_names_are_said(folder, inputs):
    stored = without("predictions")
    stored |= {("dense", "kernel"): np.ones((inputs, 3), np.float32), ("dense", "bias"): np.ones(3, np.float32)}
    if inputs == 5:
        stored["other", "kernel"] = np.ones((5, 3), np.float32)
    write_keras_2(folder / "w.h5", stored)
    with pytest.raises(ModelError, match=r"missing predictions\.weight .* unknown dense\.bias .*\)$"):
        load_model("small.toml=w.h5")


def without(*layers):
    return {key: array for key, array in arrays().items() if key[0] not in layers}


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (without("predictions"), r"missing predictions\.weight \(5x3\), .*; the file has no classifier \(include_top"),
        (without("depth"), r"missing depth\.weight \(3x3x4x1\)$"),
        ({**arrays(), ("point", "other"): np.ones(2, np.float32)}, r"unknown point\.other \(2\)$"),
        (arrays(depth=(5, 5, 4, 1)), r"wrong shape: depth\.weight is 5x5x4x1, needs 3x3x4x1$"),
        ({**arrays(), ("point", "bias"): np.full(5, np.nan, np.float32)}, r"point\.bias has numbers that are not f"),
        ({**arrays(), ("point", "bias"): np.ones(5, np.int32)}, r"point\.bias is of type int32: weights are floating"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_named(folder, stored, message):
    write_keras_2(folder / "w.h5", stored)
    with pytest.raises(ModelError, match=rf"w\.h5: .*{message}"):
        load_model("small.toml=w.h5")


def test_renamed_arrays_are_named(folder):
    stored = {(layer.replace("depth", "deep"), name): array for (layer, name), array in arrays().items()}
    write_keras_2(folder / "w.h5", stored)
    with pytest.raises(ModelError, match=r"missing depth\.weight .* and 2 more; unknown deep\.weight .* and 2 more"):
        load_model("small.toml=w.h5")


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_other_floating_point_numbers(folder, dtype):
    write_keras_2(folder / "w.h5", {key: array.astype(dtype) for key, array in arrays().items()})
    exact = {key: array.astype(dtype).astype(np.float32) for key, array in arrays().items()}
    assert predicted("small.toml=w.h5") == pytest.approx(
        np.array([expected(each, exact) for each in PICTURES]), abs=1e-5
    )


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"chunks": True}])
def test_arrays_in_pieces_are_refused(folder, options):
    write_keras_2(folder / "w.h5", arrays(), **options)
    with pytest.raises(ModelError, match="is not stored as numbers one after the other"):
        load_model("small.toml=w.h5")


def test_a_compressed_archive_is_refused(folder):
    write_archive(folder / "w.keras", arrays(), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(
        ModelError, match=r"its model\.weights\.h5 is compressed, as Keras does not write it: unpack it"
    ):
        load_model("small.toml=w.keras")


def test_links_to_other_files_are_not_followed(folder):
    write_keras_2(folder / "other.h5", arrays())
    with h5py.File(folder / "w.h5", "w") as file:
        file.create_dataset("stem/stem/kernel:0", data=arrays()["stem", "kernel"])
        file["model_weights"] = h5py.ExternalLink("other.h5", "/")
        file["point"] = h5py.SoftLink("/stem")
    with pytest.raises(ModelError, match=r"missing 0\.bn\.weight \(4\), .* and 10 more$"):
        load_model("small.toml=w.h5")


def test_numbers_in_another_file_are_not_read(folder):
    (folder / "secret").write_bytes(bytes(432))
    stored = arrays()
    del stored["stem", "kernel"]
    write_keras_2(folder / "w.h5", stored)
    with h5py.File(folder / "w.h5", "a") as file:
        file.create_dataset("stem/stem/kernel:0", (3, 3, 3, 4), "<f4", external=[("secret", 0, 432)])
    with pytest.raises(ModelError, match=r"stem\.weight is not stored as numbers one after the other"):
        load_model("small.toml=w.h5")


@pytest.mark.parametrize("outputs", [10**8, 1 << 38])
def test_a_claim_of_more_than_the_file_holds_is_one_line(folder, outputs):
    stored = without("predictions")
    write_keras_2(folder / "w.h5", stored)
    with h5py.File(folder / "w.h5", "a") as file:
        file.create_dataset("predictions/predictions/kernel:0", (5, outputs), "<f4")
        file.create_dataset("predictions/predictions/bias:0", (outputs,), "<f4")
    with pytest.raises(ModelError, match=r"w\.h5: .*(predictions\.weight is not stored|out_features must be)"):
        load_model("small.toml=w.h5")


@pytest.mark.parametrize("layout", ["weights of Keras 2", "a .keras archive"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.97])
def test_truncated_files_are_one_line(folder, layout, share):
    suffix, write = LAYOUTS[layout]
    write(folder / f"w{suffix}", arrays())
    whole = (folder / f"w{suffix}").read_bytes()
    (folder / f"w{suffix}").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError) as caught:
        load_model(f"small.toml=w{suffix}")
    assert str(caught.value).startswith(f"w{suffix}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_changed_bytes_are_other_weights_or_one_line(folder, seed):
    rng = np.random.default_rng(seed)
    suffix, write = list(LAYOUTS.values())[seed % len(LAYOUTS)]
    write(folder / f"w{suffix}", arrays())
    content = bytearray((folder / f"w{suffix}").read_bytes())
    for _ in range(4):
        content[rng.integers(min(len(content), 4096))] = rng.integers(256)
    (folder / f"w{suffix}").write_bytes(content)
    try:
        found = predicted(f"small.toml=w{suffix}")
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert found.shape[0] == 4


def test_code_in_the_configuration_is_not_run(folder):
    """The archive's Lambda would end the process."""
    write_archive(folder / "w.keras", arrays())
    assert predicted("small.toml=w.keras").shape == (4, 3)


def test_without_the_package_a_line_says_what_to_install(folder, monkeypatch):
    write_keras_3(folder / "w.h5", arrays())
    monkeypatch.setattr("cnncli.formats.keras.weights.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"w\.h5: .*pip install 'cnncli\[keras\]'"):
        load_model("small.toml=w.h5")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Keras's own
@pytest.mark.parametrize(
    ("name", "application", "module"),
    [
        ("mobilenet-v2", "MobileNetV2", "mobilenet_v2"),
        ("vgg16", "VGG16", "vgg16"),
        ("densenet121", "DenseNet121", "densenet"),
    ],
)
def test_networks_of_keras_give_its_probabilities(folder, name, application, module):
    """On smooth pictures, with random weights and the running statistics of these pictures."""
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    pictures = ndimage.gaussian_filter(rng.uniform(-2000, 2300, (3, 224, 224, 3)), (0, 8, 8, 0)).clip(0, 255)
    model = getattr(keras.applications, application)(weights=None, classes=5)
    inputs = getattr(keras.applications, module).preprocess_input(pictures.astype(np.uint8).astype(np.float32))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(inputs, training=True)
    model.save_weights(folder / "model.weights.h5")
    if name == "mobilenet-v2":
        model.save(folder / "model.keras")
        model.save(folder / "model.h5")
    theirs = model.predict(inputs, verbose=0)
    assert np.ptp(theirs, axis=0).max() > 1e-3
    for path in folder.glob("model.*"):
        ours = load_model(f"{name}={path}")
        data = ArrayDataset(pictures.astype(np.uint8), np.zeros(3, int), ours.class_names, "pictures")
        assert ours.classify(data, 1) == pytest.approx(theirs, abs=1e-4)
