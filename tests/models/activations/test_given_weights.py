import numpy as np
import pytest

from cnncli.engines.initialization import initialize
from cnncli.errors import ArgumentError, CnncliError
from cnncli.models.activations.weights import given_weights, read_weights
from cnncli.models.safetensors import write_tensors
from cnncli.networks import parse_network

NETWORK = parse_network("5x5x2 conv3-2,bn,relu res[ conv1-2 ] fc-3")
PARAMETERS, BUFFERS = initialize(NETWORK, 3, np.float64)
WEIGHTS = PARAMETERS | BUFFERS


def typed(array):
    """An array as a text of matrices, all channels of a filter after one another."""
    if array.ndim <= 2:
        matrices = [np.atleast_2d(array)]
    else:
        matrices = [array[..., c, n] for n in range(array.shape[3]) for c in range(array.shape[2])]
    return " | ".join("; ".join(" ".join(map(repr, row)) for row in matrix.tolist()) for matrix in matrices)


def test_typed_weights_are_the_arrays():
    found, drawn = given_weights(NETWORK, {name: typed(array) for name, array in WEIGHTS.items()})
    assert not drawn
    assert set(found) == set(WEIGHTS)
    for name, array in WEIGHTS.items():
        assert np.array_equal(found[name], array)


def test_every_kind_of_file_holds_the_same(tmp_path):
    (tmp_path / "w.toml").write_text("\n".join(f'{name} = "{typed(array)}"' for name, array in WEIGHTS.items()))
    (tmp_path / "lists.toml").write_text("\n".join(f"{name} = {array.tolist()}" for name, array in WEIGHTS.items()))
    np.savez(tmp_path / "w.npz", **WEIGHTS)
    np.savez_compressed(tmp_path / "packed.npz", **WEIGHTS)
    write_tensors(tmp_path / "w.safetensors", WEIGHTS, {})
    for file in sorted(tmp_path.iterdir()):
        found, _ = given_weights(NETWORK, read_weights(file))
        assert all(np.array_equal(found[name], array) for name, array in WEIGHTS.items()), file


def test_a_table_of_toml_holds_a_layers_arrays(tmp_path):
    (tmp_path / "w.toml").write_text('[0.conv]\nweight = "1 2; 3 4"\nbias = [1]\n')
    found, _ = given_weights(parse_network("3x3x1 conv2-1"), read_weights(tmp_path / "w.toml"))
    assert found["0.conv.weight"][:, :, 0, 0].tolist() == [[1, 2], [3, 4]]
    assert found["0.conv.bias"].tolist() == [1]


def test_the_rest_is_drawn_as_a_training_draws_it():
    found, drawn = given_weights(NETWORK, {"2.fc.bias": "1 2 3"}, seed=3)
    assert set(drawn) == set(WEIGHTS) - {"2.fc.bias"}
    assert all(np.array_equal(found[name], WEIGHTS[name]) for name in drawn)
    assert found["2.fc.bias"].tolist() == [1, 2, 3]


def test_lenet_s_table_is_typed_pair_by_pair():
    network = parse_network("6x6x6 conv2-16,table,nobias")
    text = " | ".join(f"{number} 0; 0 0" for number in range(60))
    assert given_weights(network, {"0.conv.weight": text})[0]["0.conv.weight"][0, 0].tolist() == list(range(60))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"2 of 2 arrays are not given: 0\.conv\.weight \(2x2x1x3\), 0\.conv\.bias \(3\); give each with --set"),
        (
            {"0.conv.wieght": "1"},
            r"no array 0\.conv\.wieght, did you mean 0\.conv\.weight\?: it has 0\.conv\.weight \(2x2",
        ),
        ({"9.x": "1"}, r"no array 9\.x: it has 0\.conv\.weight \(2x2x1x3\), 0\.conv\.bias \(3\)"),
        ({"0.conv.weight": "1 2; 3 4"}, r"0\.conv\.weight: expected 2x2x1x3, got 2x2: write 3 matrices of 2x2 with \|"),
        ({"0.conv.weight": "1|2|3"}, r"0\.conv\.weight: expected 2x2x1x3, got 3 of 1x1"),
        ({"0.conv.weight": np.zeros((3, 1, 2, 2))}, r"expected 2x2x1x3, got 3x1x2x2"),
        ({"0.conv.weight": [[1], [2, 3]]}, r"its rows differ in length, expected 2x2x1x3"),
        ({"0.conv.bias": "1 2"}, r"0\.conv\.bias: expected 3, got 1x2"),
        ({"0.conv.bias": [1, np.nan, 2]}, r"0\.conv\.bias: must hold finite numbers only"),
        ({"0.conv.bias": "1 2 x"}, r"0\.conv\.bias row 1, column 3: 'x' is not a number"),
    ],
)
def test_weights_that_do_not_fit(given, message):
    with pytest.raises(ArgumentError, match=message):
        given_weights(parse_network("3x3x1 conv2-3"), given)


def test_weights_that_are_turned_round():
    with pytest.raises(ArgumentError, match=r"expected 3x2, got 2x3: a row for each input, a column for each output"):
        given_weights(parse_network("3 fc-2"), {"0.fc.weight": "1 2 3; 4 5 6"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.txt", b"1", "w.txt: weights are read from .toml, .npz, .safetensors"),
        ("w.toml", b"0.conv.weight = ", "w.toml: cannot be read as TOML"),
        ("w.npz", b"PK nothing", "w.npz: is not an .npz file, or a damaged one"),
        ("w.safetensors", b"\x08\0\0\0\0\0\0\0{}", "w.safetensors"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CnncliError, match=message):
        read_weights(tmp_path / name)
    with pytest.raises(CnncliError, match="absent"):
        read_weights(tmp_path / f"absent{name}")


def test_objects_in_an_archive_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", x=np.array([{}], object))
    with pytest.raises(CnncliError, match="Python objects"):
        read_weights(tmp_path / "w.npz")
