"""Keras configurations in the forms of Keras 3 and Keras 2, and archives that hold them."""

import json
import zipfile


def layer(kind, name, *sources, shape=None, **config):
    """A layer of a functional model as Keras 3 writes it; sources are names, or (name, call, output)."""
    tensors = [tensor(source) for source in sources]
    inbound = [{"args": tensors if len(tensors) == 1 else [tensors], "kwargs": {"training": False}}] if tensors else []
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": {"name": name, "trainable": True, "dtype": DTYPE, **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": inbound,
    }


DTYPE = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}


def tensor(source):
    history = [source, 0, 0] if isinstance(source, str) else list(source)
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 1], "dtype": "float32", "keras_history": history},
    }


def conv(name, filters, *sources, **more):
    config = {"kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "dilation_rate": [1, 1], "groups": 1}
    config |= {"filters": filters, "data_format": "channels_last", "use_bias": True, **more}
    return layer("Conv2D", name, *sources, **config)


def start(*shape, name="input_layer"):
    return layer("InputLayer", name, batch_shape=[None, *shape], sparse=False, ragged=False)


def functional(layers, output, inputs=("input_layer",), name="functional"):
    ends = [output, 0, 0] if isinstance(output, str) else output
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": name,
            "trainable": True,
            "layers": layers,
            "input_layers": [[each, 0, 0] for each in inputs],
            "output_layers": [ends],
        },
        "registered_name": "Functional",
        "build_config": {"input_shape": None},
    }


def sequential(layers, name="sequential", **config):
    plain = [{key: value for key, value in each.items() if key not in ("inbound_nodes", "name")} for each in layers]
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": name, "trainable": True, "layers": plain, **config},
        "registered_name": None,
    }


def archive(folder, config, name="model.keras", **options):
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
        file.writestr("config.json", config if isinstance(config, str | bytes) else json.dumps(config))
        file.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")
    return path
