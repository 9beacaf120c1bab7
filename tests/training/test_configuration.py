"""Options: what is not said has its default, what cannot be is refused, and the file says all of it again."""

import math
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli.choices import RESIZES
from cnncli.data import RESIZES as WAYS
from cnncli.engines.losses import LOSSES
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError
from cnncli.training.configuration import Configuration, read_configuration, write_configuration
from cnncli.training.schedules import SCHEDULES

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
positive = st.floats(1e-9, 1e9)
options = st.fixed_dictionaries(
    {},
    optional={
        "network": texts,
        "epochs": st.integers(3, 1000),
        "batch_size": st.integers(1, 1000),
        "optimizer": st.sampled_from(list(OPTIMIZERS)),
        "lr": positive,
        "weight_decay": st.floats(0, 10),
        "schedule": st.sampled_from(list(SCHEDULES)),
        "warmup": st.floats(0, 2),
        "augment": st.sampled_from(["", "flip", "shift3,rotate:4.5"]),
        "val": texts,
        "class_weight": st.sampled_from(["none", "balanced"]),
        "loss": st.sampled_from(list(LOSSES)),
        "label_smoothing": st.floats(0, 0.99),
        "clip_norm": positive,
        "early_stop": st.integers(1, 100),
        "seed": st.integers(0, 2**63 - 1),
        "size": st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
        "resize": st.sampled_from(RESIZES),
        "channels": st.sampled_from([1, 3]),
        "strict": st.booleans(),
    },
)


@settings(max_examples=60)
@given(chosen=options, data=texts)
def test_a_file_says_every_option_again(tmp_path_factory, chosen, data):
    configuration = Configuration(**chosen)
    file = tmp_path_factory.mktemp("options") / "config.toml"
    file.write_bytes(write_configuration(configuration, data, {"cnncli": "1.0"}).encode())
    said = read_configuration(file)
    assert said.pop("data") == data
    assert Configuration(**said) == configuration


def test_what_is_not_said_has_its_default():
    for name, kind in OPTIMIZERS.items():
        configuration = Configuration(optimizer=name)
        assert configuration.weight_decay == (0.05 if name == "adamw" else 0)
        assert configuration.make_optimizer() == kind(weight_decay=configuration.weight_decay)


def test_several_forms_of_one_option():
    assert Configuration(size="24x32").size == Configuration(size=(24, 32)).size == (24, 32)
    assert Configuration(size=28).size == Configuration(size="28").size == (28, 28)
    assert Configuration(val=0.2) == Configuration(val="0.2")
    assert Configuration(augment=["shift2", "flip"]) == Configuration(augment="shift:2,flip")
    assert Configuration(network=["conv3-8", "fc-2"]) == Configuration(network="conv3-8 fc-2")


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"epochs": 2.0},
        {"epochs": True},
        {"batch_size": -1},
        {"lr": 0},
        {"lr": math.inf},
        {"lr": "fast"},
        {"momentum": 1.0, "optimizer": "momentum"},
        {"momentum": 0.5, "optimizer": "sgd"},
        {"weight_decay": -0.1},
        {"warmup": 20, "epochs": 20},
        {"warmup": math.nan},
        {"optimizer": "Adam"},
        {"schedule": 3},
        {"loss": ""},
        {"label_smoothing": 1},
        {"clip_norm": 0},
        {"early_stop": 0},
        {"seed": -1},
        {"seed": 2**64},
        {"size": (3,)},
        {"size": "3x"},
        {"size": "-3"},
        {"size": "9" * 5000},
        {"size": (0, 3)},
        {"channels": 4},
        {"channels": True},
        {"strict": 1},
        {"augment": "flip,flip"},
        {"network": 5},
        {"val": ["a", 1]},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ArgumentError) as raised:
        Configuration(**wrong)
    name = next(iter(wrong)).split("_")[0]
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epoch = 3", "no option 'epoch': did you mean epochs"),
        ("epochs = ", "cannot be read as TOML"),
        ("data = 3", "data must be a path"),
        ("[training]\nepochs = 3", "no option 'training'"),
        ("\xff\x00", "cannot be read as TOML"),
    ],
)
def test_a_file_that_is_wrong_is_one_line(tmp_path, content, message):
    file = tmp_path / "config.toml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ArgumentError, match=message) as raised:
        read_configuration(file)
    assert str(raised.value).startswith(str(file))
    assert "\n" not in str(raised.value)


def test_the_record_is_toml_that_says_its_versions():
    record = tomllib.loads(write_configuration(Configuration(), 'a "quoted" \x7f path', {"numpy": "2.0"}))
    assert record["versions"] == {"numpy": "2.0"}
    assert record["data"] == 'a "quoted" \x7f path'


def test_the_words_of_the_command_line_are_the_library_s():
    assert tuple(WAYS) == RESIZES
