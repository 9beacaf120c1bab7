import re
import struct
import subprocess
import sys
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_files import archive, conv, functional, layer, sequential, start

from cnncli.errors import ModelError
from cnncli.formats import is_model_file, read_model
from cnncli.formats.reading import FORMATS

WORK, MEBIBYTES = 40, 400

MEASURE = """
import re, sys, time
from cnncli.errors import CnncliError
from cnncli.formats import read_model
def count():
    began = time.process_time()
    sorted([{"name": str(number)}["name"] for number in range(300_000)])  # objects are made, as by readers
    return time.process_time() - began
yardstick = count()
began = time.process_time()
try:
    read_model(sys.argv[1])
    said = "read"
except CnncliError as error:
    said = str(error)
took = time.process_time() - began
# The peak of this process alone: what `resource` tells begins with that of the process it was started by.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 2**10
# A loaded machine is slow at counting too, some 40 ms on an idle one.
print(took / max(yardstick, count()), peak, said, sep="\\n", end="")
"""


def varint(number):
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def field(number, *parts):
    content = b"".join(parts)
    return varint(number << 3 | 2) + varint(len(content)) + content


def onnx(*graph):
    return b"\x08\x08" + field(7, *graph)


def relu(source, target):
    return field(1, field(1, source.encode()), field(2, target.encode()), field(4, b"Relu"))


def onnx_input(*sizes):
    shape = [field(1, b"\x08" + varint(size & (2**64 - 1))) for size in sizes]
    return field(11, field(1, b"x"), field(2, field(1, b"\x08\x01", field(2, *shape))))


def zip_bomb(path):
    """An archive whose configuration is 128 MiB, compressed to 128 KiB."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("config.json", "w", force_zip64=True) as it,
    ):
        for _ in range(128):
            it.write(bytes(2**20))


def long_directory(path):
    """An archive of 10^5 files, whose names are in its directory."""
    with zipfile.ZipFile(path, "w") as file:
        for index in range(30_000):
            file.writestr(f"{index:060}", b"")


def nested_models(path):
    """A model that calls a model twice that calls a model twice ..., 40 deep: 2^40 layers."""
    model = functional([start(4, name="i"), layer("ReLU", "r", "i")], "r", inputs=("i",), name="m")
    for _ in range(40):
        inner = {**model, "name": "m", "inbound_nodes": layer("", "", "i")["inbound_nodes"]}
        inner["inbound_nodes"] = inner["inbound_nodes"] + layer("", "", ("m", 1, 0))["inbound_nodes"]
        model = functional([start(4, name="i"), inner], ["m", 2, 0], inputs=("i",), name="m")
    archive(path.parent, model, path.name)


def doubled_sizes(path):
    layers = [layer("UpSampling2D", f"u{index}", size=[2, 2]) for index in range(1000)]
    archive(path.parent, sequential([start(8, 8, 1), *layers]), path.name)


def squared_numbers():
    """Numbers that are multiplied by themselves again and again: 2^(2^10000) in the end."""
    number = field(5, b"\x08\x01\x10\x07", field(8, b"n0"), field(9, struct.pack("<q", 2)))
    nodes = [
        field(
            1, field(1, f"n{i}".encode()), field(1, f"n{i}".encode()), field(2, f"n{i + 1}".encode()), field(4, b"Mul")
        )
        for i in range(9_000)
    ]
    return onnx(onnx_input(1, 3), number, *nodes, relu("x", "y"))


def safetensors(length, content=b"{"):
    return struct.pack("<Q", length) + content


def whole_header(text):
    return safetensors(len(text), text)


def flat_header(path):
    entry = b'"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},'
    return whole_header(b"{" + entry * 200_000 + b'"v":0}')


def ring(count):
    """A functional model of so many layers, each of which needs the next, and the last the first."""
    names = [f"r{index}" for index in range(count)]
    needed = [*names[1:], names[0]]
    return functional(
        [
            {"name": name, "class_name": "ReLU", "inbound_nodes": [[[need, 0, 0]]]}
            for name, need in zip(names, needed, strict=True)
        ],
        "r0",
    )


def archived(make):
    def write(path):
        archive(path.parent, make(), path.name)

    return write


HOSTILE = {
    "claims.safetensors": (safetensors(2**60), "claims 1152921504606846976 bytes"),
    "claims-all.safetensors": (safetensors(2**64 - 1), "claims"),
    "deep.safetensors": (safetensors(100_000, b'{"a":' + b"[" * 99_995), "JSON"),
    "many.safetensors": (
        lambda path: safetensors(8 * 2**20, b"{" + b'"a":[[],[],[],[]],' * 440_000 + bytes(10**6)),
        "JSON",
    ),
    "lists.safetensors": (
        lambda path: whole_header(b'{"a":[' + b"[]," * 399_000 + b"1e0," * 1_700_000 + b"1]}"),
        "no description",
    ),
    "flat.safetensors": (flat_header, "too large"),
    "bomb.keras": (zip_bomb, "larger than 8 MiB"),
    "deep.keras": (archived(lambda: b"[" * 10**6), "JSON"),
    "directory.keras": (long_directory, "directory claims"),
    "nested.keras": (nested_models, "too many|nested too deeply"),
    "sizes.keras": (doubled_sizes, "dimension of"),
    "layers.keras": (
        archived(lambda: sequential([start(4), *[{"class_name": "ReLU", "config": {"name": "r"}}] * 30_000])),
        "too many",
    ),
    "cyclic.keras": (archived(lambda: ring(9000)), "cyclic"),
    "zip64.keras": (
        b"PK\x03\x04"
        + b"PK\x06\x06"
        + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 0)
        + b"PK\x06\x07"
        + struct.pack("<LQL", 0, 4, 1)
        + b"PK\x05\x06"
        + struct.pack("<HHHHLLH", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0),
        "archive|directory",
    ),
    "nodes.onnx": (lambda path: onnx(onnx_input(1, 3), relu("x", "y") * 10**6), "more than 10000 nodes"),
    "tensors.onnx": (lambda path: onnx(onnx_input(1, 3), field(5, b"\x08\x01\x10\x01") * 10**6), "too many"),
    "attributes.onnx": (lambda path: onnx(field(1, field(5, field(8, b"\x01" * 4 * 10**6)))), "too large"),
    "names.onnx": (lambda path: onnx(field(1, *[field(1, b"n" * 4000)] * 40_000)), "too large"),
    "negative.onnx": (onnx(onnx_input(1, -3), relu("x", "y")), "dimension of -3"),
    "huge.onnx": (onnx(onnx_input(1, 2**62), relu("x", "y")), "dimension of"),
    "cyclic.onnx": (onnx(onnx_input(1, 3), relu("b", "a"), relu("a", "b")), "cyclic"),
    "squares.onnx": (lambda path: squared_numbers(), "read"),
    "length.onnx": (b"\x08\x08\x3a" + varint(2**60) + b"\x0a", "cut short"),
    "noise.onnx": (bytes(range(1, 256)) * 100, "damaged"),
    "zeros.onnx": (lambda path: bytes(10**7), "damaged|no ONNX graph|too large"),
    "nothing.onnx": (b"", "empty"),
    "compressed.onnx": (zlib.compress(b"model" * 100), "damaged|no ONNX graph"),
    "picture.keras": (b"\x89PNG\r\n\x1a\n" + bytes(100), "archive"),
    "weights.pt": (b"\x80\x02cposix\nsystem\n", "torch.onnx.export"),
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), r"damaged HDF5|pip install 'cnncli\[keras\]'; a .keras"),
    "renamed.onnx": (b"\x89HDF\r\n\x1a\n" + bytes(100), r"damaged HDF5|pip install 'cnncli\[keras\]'; a .keras"),
    "saved_model.pb": (b"\x08\x01", "tf2onnx"),
    "some.bytes": (b"hello, this is no model at all", "not a model file"),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory with /proc")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_give_one_line_with_bounded_work_and_memory(tmp_path, name):
    make, message = HOSTILE[name]
    path = tmp_path / name
    content = make(path) if callable(make) else make
    if content is not None:
        path.write_bytes(content)
    run = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    work, peak, said = run.stdout.split("\n")  # exactly one line is said
    assert re.search(message, said)
    assert float(work) < WORK
    assert float(peak) < MEBIBYTES


def test_what_a_file_is_is_told_by_its_content(tmp_path):
    path = archive(tmp_path, sequential([start(8, 8, 3), conv("c", 4)]), "model.zip")
    assert read_model(path).rows[0].output_shape == (8, 8, 4)
    other = tmp_path / "weights.dat"
    other.write_bytes(safetensors(2, b"{}"))
    assert read_model(other).rows == ()
    graph = tmp_path / "graph"
    graph.write_bytes(onnx(onnx_input(1, 3), relu("x", "y")))
    assert read_model(str(graph)).rows[0].output_shape == (3,)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ModelError, match=r"none.onnx: no such file"):
        read_model(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match=r"a folder without model\.safetensors"):
        read_model(tmp_path)


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.what)
def test_every_format_is_known_by_its_names_and_read_or_advised_on(tmp_path, kind):
    assert bool(kind.reader) != bool(kind.advice)
    for suffix in kind.suffixes:
        assert is_model_file(f"model{suffix}")
        path = tmp_path / f"model{suffix}"
        path.write_bytes(b"\0" * 64)
        with pytest.raises(ModelError) as caught:
            read_model(path)
        said = str(caught.value)
        assert "\n" not in said
        assert kind.advice in said
        assert "not a model file" not in said


@pytest.mark.parametrize(("name", "expected"), [("a.ONNX", True), ("run/m.safetensors", True), ("vgg16", False)])
def test_model_files_are_known_by_their_endings(name, expected):
    assert is_model_file(name) is expected


SOUND = {
    "onnx": onnx(onnx_input(1, 3, 8, 8), relu("x", "a"), relu("a", "y")),
    "safetensors": safetensors(64, b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.ljust(64) + bytes(8)),
}


@given(
    kind=st.sampled_from(sorted(SOUND)),
    at=st.integers(0, 200),
    more=st.binary(max_size=12),
    cut=st.integers(0, 12),
)
@settings(max_examples=300)
def test_any_damage_gives_a_summary_or_one_clear_error(tmp_path_factory, kind, at, more, cut):
    sound = SOUND[kind]
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    path.write_bytes(sound[: at % len(sound)] + more + sound[at % len(sound) + cut :] or b"\0")
    said = ""
    try:
        read_model(path)
    except ModelError as error:
        said = str(error)
    assert "\n" not in said


def test_reading_loads_neither_numpy_nor_onnx(tmp_path):
    path = tmp_path / "it.onnx"
    path.write_bytes(SOUND["onnx"])
    code = (
        "import sys; from cnncli.formats import read_model; read_model(sys.argv[1]); "
        "print({'numpy', 'onnx', 'google.protobuf', 'typer', 'rich'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory with /proc")
def test_weights_stay_in_the_file(tmp_path):
    """A gibibyte of weights: the file is sparse, so that it takes no room."""
    path, size = tmp_path / "large.onnx", 2**30
    head = b"\x08\x01\x08\x01\x08" + varint(2**14) + b"\x08" + varint(2**14) + b"\x10\x01" + field(8, b"w")
    data = varint(9 << 3 | 2) + varint(size)
    nodes = field(1, field(1, b"x"), field(1, b"w"), field(2, b"y"), field(4, b"Mul")) + onnx_input(1, 3, 2**14, 2**14)
    tensor = varint(5 << 3 | 2) + varint(len(head) + len(data) + size) + head + data
    with path.open("wb") as file:
        file.write(b"\x08\x08" + varint(7 << 3 | 2) + varint(len(nodes) + len(tensor) + size) + nodes + tensor)
        file.truncate(file.tell() + size)
    run = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    work, peak, said = run.stdout.split("\n")
    assert said == "read"
    assert float(work) < WORK
    assert float(peak) < 60
