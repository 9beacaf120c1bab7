"""Damaged and hostile model files of every kind: one line, bounded memory, and nothing in them is run."""

import json
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from models import CLASSES, random_detector, random_model

from cnncli.engines.initialization import initialize
from cnncli.models.exporting import export_onnx
from cnncli.models.model import save_model
from cnncli.models.opening import load_model
from cnncli.models.safetensors import write_tensors
from cnncli.models.told import Told
from cnncli.networks import load_network
from cnncli.networks.heads import with_outputs

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory with /proc")

TOLD = Told(classes=CLASSES)
SECONDS, MEGABYTES, LETTERS = 20, 150, 600

JUDGE = """
import json, re, sys, time
from cnncli.errors import CnncliError
from cnncli.models.opening import load_model
from cnncli.models.told import Told

def memory(word):
    return int(re.search(word + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

for package in sys.argv[1:]:
    __import__(package)  # its own memory is not the file's
for line in sys.stdin:
    word = json.loads(line)
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before, began = memory("VmRSS"), time.process_time()
    try:
        load_model(word, told=Told(("left", "right", "top")))
        said = ""
    except CnncliError as error:
        said = str(error)
    print(json.dumps([said, time.process_time() - began, memory("VmHWM") - before]), flush=True)
"""
"""Opens models by their words, and prints for each what is said, and the seconds and megabytes that it took."""


def judged(words):
    """What is said about each model, in a process of its own."""
    told = "".join(json.dumps(str(word)) + "\n" for word in words)
    packages = ["torch"] * any(str(word).endswith(".pth") for word in words)
    command = [sys.executable, "-c", JUDGE, *packages]
    run = subprocess.run(command, input=told, capture_output=True, text=True, timeout=600, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    verdicts = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(verdicts) == len(words)
    for word, (said, seconds, megabytes) in zip(words, verdicts, strict=True):
        assert seconds < SECONDS, word
        assert megabytes < MEGABYTES, word
        assert said.isprintable(), word
        assert len(said) < LETTERS + 2 * len(str(word)), word
    return [said for said, *_ in verdicts]


# The kinds of files

NETWORK = "12x12x3 conv3-4,bn,relu max2 fc-3,softmax"
NAMED = "lenet5"


def arrays():
    """Arrays of a network of the zoo."""
    parameters, buffers = initialize(with_outputs(load_network(NAMED), len(CLASSES)), seed=0)
    return {**parameters, **buffers}


def save_ours(path):
    save_model(path, random_model(NETWORK))


def save_detector(path):
    save_model(path, random_detector("16x16x3 conv3-4,s4,p1,bn,relu conv1-8"))


def save_exported_detector(path):
    pytest.importorskip("onnx")
    export_onnx(random_detector("16x16x3 conv3-4,s4,p1,bn,relu conv1-8"), path, force=True)


def save_export(path):
    pytest.importorskip("onnx")
    export_onnx(random_model(NETWORK), path, force=True)


def save_graph(path):
    """A graph that is no network of known layers."""
    pytest.importorskip("onnxruntime")
    helper = pytest.importorskip("onnx").helper
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], axis=3, num_outputs=2),
        helper.make_node("Concat", ["b", "a"], ["c"], axis=3),
        helper.make_node("ReduceMean", ["c", "axes"], ["m"], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["y"]),
    ]
    weights = np.eye(3, dtype=np.float32), np.array([2, 3])
    constants = [helper.make_tensor("w", 1, [3, 3], weights[0]), helper.make_tensor("axes", 7, [2], weights[1])]
    ends = [[helper.make_tensor_value_info(*end)] for end in (("x", 1, ["N", 3, 8, 8]), ("y", 1, ["N", 3]))]
    graph = helper.make_graph(nodes, "graph", *ends, constants)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path.write_bytes(proto.SerializeToString())


def save_named(path):
    write_tensors(path, arrays(), {})


def save_pickled(path):
    torch = pytest.importorskip("torch")
    torch.save({name: torch.tensor(array) for name, array in arrays().items()}, path)


def save_old_pickled(path):
    torch = pytest.importorskip("torch")
    state = {name: torch.tensor(array) for name, array in arrays().items()}
    torch.save(state, path, _use_new_zipfile_serialization=False)


def save_hdf5(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, array in arrays().items():
            layer, _, role = name.rpartition(".")
            file.create_dataset(f"{layer}/{'kernel' if role == 'weight' else role}:0", data=array)


def save_keras(path):
    save_hdf5(path.with_suffix(".h5"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_suffix(".h5"), "model.weights.h5")
        archive.writestr("config.json", "{}")


KINDS = {
    "run": ("run/model.safetensors", save_ours, "{folder}"),
    "safetensors": ("ours.safetensors", save_ours, "{file}"),
    "detector": ("boxes.safetensors", save_detector, "{file}"),
    "export": ("ours.onnx", save_export, "{file}"),
    "exported detector": ("boxes.onnx", save_exported_detector, "{file}"),
    "graph": ("graph.onnx", save_graph, "{file}"),
    "named safetensors": ("weights.safetensors", save_named, NAMED + "={file}"),
    "named pth": ("weights.pth", save_pickled, NAMED + "={file}"),
    "named old pth": ("old.pth", save_old_pickled, NAMED + "={file}"),
    "named h5": ("weights.h5", save_hdf5, NAMED + "={file}"),
    "named keras": ("weights.keras", save_keras, NAMED + "={file}"),
}
"""For each kind of MODEL: a file, a function that writes a sound one, and the word for it."""


EXTRAS = {"graph", "named pth", "named old pth"}
"""Kinds that need a large package."""

APART = {"named h5", "named keras"}
"""Kinds that a process of its own looks into, which takes half a second."""

MARKS = dict.fromkeys(EXTRAS, pytest.mark.extras) | {"named keras": pytest.mark.slow}

every_kind = pytest.mark.parametrize("kind", [pytest.param(kind, marks=MARKS.get(kind, ())) for kind in KINDS])


def sound(kind, folder):
    """Write a sound file, and return it and the word for it."""
    file, save, word = KINDS[kind]
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path)
    return path, word.format(file=path, folder=path.parent)


@every_kind
def test_the_sound_files_are_read(tmp_path, kind):
    _, word = sound(kind, tmp_path)
    load_model(word, told=TOLD)
    assert judged([word]) == [""]


# Damages that every kind of file may have

HEADS = {
    "a picture": b"\x89PNG\r\n\x1a\n",
    "an archive": b"PK\x03\x04",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "a pickle": b"\x80\x02}q\x00",
    "safetensors": struct.pack("<Q", 8) + b'{"a":{}}',
    "ONNX": b"\x08\x08",
}


def places_to_cut(size):
    """Places in the head, in the middle and at the end of a file."""
    return sorted({1, 4, 7, 8, 9, 16, 40, 200, *(size * part // 8 for part in range(1, 8)), size - 64, size - 1})


def damages(content):
    """Yield names of damages that no file survives, and what becomes of its content."""
    yield "empty", b""
    yield "zeros", bytes(len(content))
    yield "ones", b"\xff" * len(content)
    yield "noise", np.random.default_rng(1).bytes(len(content))
    yield "text", b"This is no model.\n" * 40
    yield "late", content[8:]
    for place in places_to_cut(len(content)):
        if 0 < place < len(content):
            yield f"cut at {place}", content[:place]
    for what, head in HEADS.items():
        if not content.startswith(head[:2]):
            yield f"as {what}", head + bytes(200)
            yield f"noise as {what}", head + np.random.default_rng(2).bytes(5000)


def spoil(path, word, name, content):
    """Write a damaged file beside a sound one, and return its word."""
    folder = path.parent.parent / name if path.parent.name == "run" else path.parent / name
    folder.mkdir()
    (folder / path.name).write_bytes(content)
    return word.replace(str(path.parent), str(folder))


@every_kind
def test_every_damage_is_one_line(tmp_path, kind):
    path, word = sound(kind, tmp_path)
    found = {name: spoil(path, word, name, content) for name, content in damages(path.read_bytes())}
    for damaged, said in zip(found.values(), judged(list(found.values())), strict=True):
        assert said, damaged
        assert said.startswith(f"{damaged.partition('=')[2] or damaged}"), said


def link(target):
    return lambda path: path.symlink_to(target or path.name)


def gigabytes(head):
    """Write a file of three gigabytes that takes no room."""

    def write(path):
        path.write_bytes(head)
        os.truncate(path, 3 << 30)

    return write


OTHERS = {
    "missing": lambda path: None,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "loop": link(""),
    "broken link": link("missing"),
    **{
        "link" + target.replace("/", "."): link(target)
        for target in ("/dev/zero", "/dev/random", "/proc/self/mem", "/")
    },
    **{f"gigabytes of {what}": gigabytes(head) for what, head in HEADS.items()},
    "gigabytes": gigabytes(b""),
}
"""Things that may stand where a model is expected."""


@every_kind
def test_what_is_no_model_file_is_one_line(tmp_path, kind):
    path, word = sound(kind, tmp_path)
    words = []
    for name, make in OTHERS.items():
        words.append(spoil(path, word, name, b""))
        file = tmp_path / name / path.name
        file.unlink()
        make(file)
    for other, said in zip(words, judged(words), strict=True):
        assert said, other


@pytest.mark.slow
@every_kind
def test_any_cut_and_any_changed_bytes_are_one_line_or_harmless(tmp_path, kind):
    path, word = sound(kind, tmp_path)
    content, rng = path.read_bytes(), np.random.default_rng(3)
    cuts, changes = (40, 60) if kind in APART else (400, 600)
    words = [spoil(path, word, f"cut {at}", content[:at]) for at in range(0, len(content), len(content) // cuts + 1)]
    read = [word for word, said in zip(words, judged(words), strict=True) if not said]
    assert len(read) <= (3 if kind in ("export", "graph") else 0), read  # ONNX has no end: what is last may be missing
    words = []
    for number in range(changes):
        changed = bytearray(content)
        for place in rng.integers(
            min(len(changed), int(rng.choice([64, 1024, len(changed)]))), size=rng.choice([1, 4])
        ):
            changed[place] = rng.integers(256)
        words.append(spoil(path, word, f"changed {number}", changed))
    judged(words)


# Claims, names and numbers of safetensors files


def with_header(header, numbers=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def entry(shape, start, stop, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


SAFETENSORS = {
    "a header of exabytes": (struct.pack("<Q", 2**63) + b"{}", "not a model file|claims"),
    "deep": (with_header(b'{"a":' + b"[" * 10**6), "JSON"),
    "deep metadata": (with_header(b'{"__metadata__":' + b'{"a":' * 10**5), "JSON"),
    "a name twice": (
        with_header(
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
            bytes(4),
        ),
        "holds a twice",
    ),
    "shared bytes": (with_header({name: entry([2], 0, 8) for name in "ab"}, bytes(8)), "starts at byte|lenet5"),
    "half shared bytes": (
        with_header({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
        "starts at byte|lenet5",
    ),
    "a negative dimension": (with_header({"a": entry([-2, -2], 0, 16)}, bytes(16)), "dimension of -2"),
    "a huge product": (with_header({"a": entry([2**40, 2**40], 0, 2**64)}, bytes(16)), "data_offsets"),
    "a huge dimension": (with_header({"a": entry([2**62], 0, 2**64)}, bytes(16)), "dimension of"),
    "many dimensions": (with_header({"a": entry([1] * 10**5, 0, 4)}, bytes(4)), "has the shape"),
    "no numbers": (with_header({"a": entry([0], 0, 0)}), "metadata|lenet5"),
    "words for numbers": (with_header({"a": {"dtype": 1, "shape": "x", "data_offsets": {}}}), "has the shape"),
    "an endless name": (with_header({"n" * 10**6: entry([1], 0, 4)}, bytes(4)), "metadata|lenet5"),
    "a name with colours": (with_header({"\x1b[31m\n": entry([-1], 0, 4)}, bytes(4)), r"the array \?\[31m\?"),
}


@pytest.mark.parametrize("kind", ["safetensors", "named safetensors"])
def test_safetensors_that_claim_too_much_are_one_line(tmp_path, kind):
    path, word = sound(kind, tmp_path)
    words = [spoil(path, word, name, content) for name, (content, _) in SAFETENSORS.items()]
    for said, (name, (_, message)) in zip(judged(words), SAFETENSORS.items(), strict=True):
        assert re.search(message, said), (name, said)


# Pickles that run code, and that claim too much


class Claim:
    """A storage that has so many numbers, as a pickle says it."""

    def __init__(self, numbers):
        self.numbers = numbers


class Called:
    """What calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


def tensor(numbers, shape, strides, offset=0):
    utils = pytest.importorskip("torch")._utils
    return Called(utils._rebuild_tensor_v2, Claim(numbers), offset, shape, strides, False, OrderedDict())


def pickled(thing, *, old=False):
    """Pickle a thing as torch.save does, or as its old form does."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if isinstance(thing, Claim):
                storage = pytest.importorskip("torch").FloatStorage
                return ("storage", storage, "0", "cpu", thing.numbers, *[None] * old)
            return None

    stream = BytesIO()
    Pickler(stream, 2).dump(thing)
    return stream.getvalue()


def archive(content):
    """Return the file of torch.save that holds a pickle and four numbers."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, part in {"data.pkl": content, "byteorder": "little", "data/0": bytes(16), "version": "3"}.items():
            file.writestr(f"a/{name}", part)
    return stream.getvalue()


def old_file(thing, numbers=4):
    """Return the file that torch.save wrote before it wrote archives."""
    sizes = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    heads = [pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, sizes)]
    return b"".join([*heads, pickled(thing, old=True), pickle.dumps(["0"], 2), struct.pack("<q", numbers), bytes(16)])


def bomb():
    """Return an archive of 64 MiB that is small."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", bytes(64 << 20))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["pth", "safetensors", "onnx"])
def test_no_pickle_runs_code(tmp_path, kind):
    pytest.importorskip("torch")
    marker = tmp_path / "marker"
    calls = [(os.system, f"touch {marker}"), (eval, f"open({str(marker)!r}, 'w')"), (open, str(marker), "w")]
    words = []
    for number, (function, *arguments) in enumerate(calls):
        called = {"0.conv.weight": Called(function, *arguments)}
        for name, content in {
            "raw": pickle.dumps(called),
            "new": archive(pickled(called)),
            "old": old_file(called),
        }.items():
            path = tmp_path / f"{name}{number}.{kind}"
            path.write_bytes(content)
            words += [f"{NAMED}={path}", str(path)]
    pickle.loads(pickle.dumps(Called(os.system, f"touch {marker}")))
    assert marker.exists()  # it would run where pickles are believed
    marker.unlink()
    assert all(judged(words))
    assert not marker.exists()


CLAIMS = {
    "no end": lambda: archive(b"\x80\x02" + b"(" * 10**5),
    "an endless text": lambda: archive(b"\x80\x02X" + struct.pack("<I", 2**32 - 1)),
    "an endless integer": lambda: archive(b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1)),
    "a huge storage": lambda: archive(pickled({"w": tensor(2**40, (2, 2), (2, 1))})),
    "a huge array": lambda: archive(pickled({"w": tensor(4, (2**20, 2**20), (2**20, 1))})),
    "a huge array of one number": lambda: archive(pickled({"w": tensor(4, (2**40,), (0,))})),
    "negative dimensions": lambda: archive(pickled({"w": tensor(4, (-2, -2), (1, 1))})),
    "negative strides": lambda: archive(pickled({"w": tensor(4, (2, 2), (-2, -1), 3)})),
    "a place behind the end": lambda: archive(pickled({"w": tensor(4, (2, 2), (2, 1), 2**40)})),
    "a place before the start": lambda: archive(pickled({"w": tensor(4, (2, 2), (2, 1), -4)})),
    "an old huge storage": lambda: old_file({"w": tensor(2**40, (2, 2), (2, 1))}),
    "an old negative storage": lambda: old_file({"w": tensor(-4, (2, 2), (2, 1))}),
    "an old huge count": lambda: old_file({"w": tensor(4, (2, 2), (2, 1))}, 2**40),
    "compressed zeros": bomb,
    "no archive at all": lambda: b"PK\x05\x06" + bytes(18),
}


def test_pickles_that_claim_too_much_are_one_line(tmp_path):
    pytest.importorskip("torch")
    path, word = tmp_path / "weights.pth", f"{NAMED}={tmp_path}/weights.pth"
    assert all(judged([spoil(path, word, name, make()) for name, make in CLAIMS.items()]))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_named(tmp_path, number):
    model, weights = random_model(NETWORK), arrays()
    broken = {**model.parameters, "2.fc.bias": np.float32([0, number, 0])}
    save_model(tmp_path / "model.safetensors", model.replace(parameters=broken))
    weights["4.fc.bias"][3] = number
    write_tensors(tmp_path / "weights.safetensors", weights, {})
    words = [tmp_path, f"{NAMED}={tmp_path}/weights.safetensors"]
    for said, name in zip(judged(words), ("2.fc.bias", "4.fc.bias"), strict=True):
        assert said.endswith(f"the array {name} has numbers that are not finite")


# Graphs that claim too much


def graph(nodes=(), constants=(), shape=("N", 3, 8, 8), functions=()):
    """Return an ONNX file that adds `c` to the means of `x`."""
    helper = pytest.importorskip("onnx").helper
    means = helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0)
    added = helper.make_node("Add", ["m", "c"], ["y"])
    ends = [[helper.make_tensor_value_info(*end)] for end in (("x", 1, shape), ("y", 1, ["N", 3]))]
    whole = helper.make_graph([means, *nodes, added], "graph", *ends, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=8, functions=functions)


def made(op, *sizes, **attributes):
    """A constant that an operation makes of few numbers."""
    onnx = pytest.importorskip("onnx")
    numbers = [onnx.numpy_helper.from_array(np.asarray(size), f"n{index}") for index, size in enumerate(sizes)]
    nodes = [
        onnx.helper.make_node(op, [each.name for each in numbers], ["l"], **attributes),
        onnx.helper.make_node("ReduceMean", ["l"], ["c"], keepdims=0),
    ]
    return graph(nodes, numbers)


def claimed(*sizes, raw=b"", kind=1):
    """A weight of some dimensions, which are not those of its numbers."""
    onnx = pytest.importorskip("onnx")
    return graph(constants=[onnx.TensorProto(name="c", data_type=kind, dims=sizes, raw_data=raw)])


def calls_itself():
    helper = pytest.importorskip("onnx").helper
    call = helper.make_node("again", ["m"], ["c"], domain="own")
    inner = helper.make_node("again", ["a"], ["b"], domain="own")
    opsets = [helper.make_opsetid("own", 1)]
    return graph([call], functions=[helper.make_function("own", "again", ["a"], ["b"], [inner], opsets)])


def twice():
    helper = pytest.importorskip("onnx").helper
    return graph([helper.make_node("Relu", ["m"], ["c"]), helper.make_node("Abs", ["m"], ["c"])])


def with_numbers(*numbers):
    onnx = pytest.importorskip("onnx")
    return graph(constants=[onnx.numpy_helper.from_array(np.float32(numbers), "c")])


GRAPHS = {
    "many ones": (lambda: made("ConstantOfShape", np.array([2**28])), ""),
    "more ones": (lambda: made("ConstantOfShape", np.array([2**60])), ""),
    "spread": (lambda: made("Expand", np.float32([1]), np.array([2**14, 2**14])), ""),
    "tiles": (lambda: made("Tile", np.float32([1]), np.array([2**28])), ""),
    "padding": (lambda: made("Pad", np.float32([1]), np.array([0, 2**28])), ""),
    "a negative size": (lambda: made("ConstantOfShape", np.array([-5])), "."),
    "a huge input": (lambda: graph([], shape=("N", 3, 2**31, 2**31)), "."),
    "a negative input": (lambda: graph([], shape=("N", 3, -7, 8)), "dimension of -7"),
    "a weight that is not there": (lambda: claimed(3), "."),
    "a huge weight": (lambda: claimed(2**40, 2**40), "."),
    "a weight of too few numbers": (lambda: claimed(3, raw=bytes(8)), "."),
    "a weight of too many numbers": (lambda: claimed(3, raw=bytes(16)), "."),
    "a negative weight": (lambda: claimed(-3, raw=bytes(12)), "dimension of -3"),
    "a weight of many dimensions": (lambda: claimed(*[1] * 1000, raw=bytes(4)), "."),
    "a weight of no known type": (lambda: claimed(3, raw=bytes(12), kind=99), "."),
    "a weight of NaN": (lambda: with_numbers(0, np.nan, 0), "c has numbers that are not finite"),
    "nothing makes it": (lambda: graph(), "."),
    "made twice": (twice, "."),
    "calls itself": (calls_itself, "."),
}


def test_graphs_that_claim_too_much_take_no_more_than_they_hold(tmp_path):
    pytest.importorskip("onnxruntime")
    paths = [tmp_path / f"{name}.onnx" for name in GRAPHS]
    for path, (make, _) in zip(paths, GRAPHS.values(), strict=True):
        path.write_bytes(make().SerializeToString())
    for said, (message, name) in zip(judged(paths), [(each, name) for name, (_, each) in GRAPHS.items()], strict=True):
        assert re.search(message, said), (name, said)
        assert bool(said) == bool(message), (name, said)
