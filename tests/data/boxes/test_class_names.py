"""The names of classes in YOLO's files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.data.boxes.formats.names import names_text, parse_names, read_names
from cnncli.errors import DataError


@pytest.mark.parametrize(
    "text",
    [
        "names: [cat, dog]",
        "nc: 2\nnames: ['cat', \"dog\"]  # two\npath: x",
        "names: [\n  cat,\n  dog,\n]\n",
        "names:\n  - cat\n  - dog\n",
        "names:\n- cat\n- 'dog'\nnc: 2",
        "train: a\r\nnames:\r\n  0: cat\r\n  1: dog\r\n",
        "names: # the classes\n  # in order\n\n  0: cat # small\n  1: dog\nval: b",
        "names: {0: cat, 1: dog}",
        "names: {\n 1: dog,\n 0: cat }",
    ],
)
def test_the_forms_that_such_files_have(text):
    assert parse_names(text) == {0: "cat", 1: "dog"}


def test_names_may_hold_spaces_quotes_and_what_yaml_uses_elsewhere():
    assert parse_names("names: [a dog's, 'it''s, a cat', \"tab\\t[x]\"]") == {
        0: "a dog's",
        1: "it's, a cat",
        2: "tab\t[x]",
    }
    assert parse_names("names:\n  0: a: b\n  7: c, d\n") == {0: "a: b", 7: "c, d"}


@pytest.mark.parametrize(
    "text",
    [
        "nc: 2",
        "names: cat",
        "names: [cat, [dog]]",
        "names: [cat",
        "names: {cat: 0}x",
        "names:\n  - &anchor cat\n",
        "names:\n  0: !!python/object cat\n",
        "names:\n  <<: *x\n",
        "names: ['cat]",
        'names: ["\\z"]',
    ],
)
def test_other_forms_are_refused(text, tmp_path):
    with pytest.raises(ValueError, match=r"."):
        parse_names(text)
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=r"data\.yaml: the names of classes cannot be read"):
        read_names(str(tmp_path / "data.yaml"))


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=5))
def test_names_come_back(names):
    assert list(parse_names(names_text(names) + "nc: 3\n").values()) == names


@given(st.text('[]{}"\x27:,#\\\n -a0', max_size=30))
def test_any_text_is_names_or_refused(text):
    try:
        assert all(isinstance(name, str) for name in parse_names(f"names: {text}").values())
    except ValueError:
        assert True
