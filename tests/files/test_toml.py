import pytest

from cnncli.files.toml import MAX_DEPTH, parse_toml


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 400_000 + " = 1",
        "".join(f"[a{'.b' * depth}]\n" for depth in range(600)),
        "x = {" + '"a b" . ' * 100_000 + "c = 1}",
        "''" + " . ''" * 100_000 + " = 1",
        "a = " + "[" * 200_000 + "]" * 200_000,
        "a = 1" + "0" * 10_000,
        "a =",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1") + " = 1",
    ],
    ids=["key", "headers", "inline", "empty parts", "lists", "digits", "cut", "bytes"],
)
def test_what_is_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        parse_toml(text.encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("layers = '" + "drop0.5 " * 10_000 + "'", "drop0.5 " * 10_000),
        ("layers = '''\n" + "a" * 900_000 + "'''", "a" * 900_000),
        (".".join("k" * MAX_DEPTH) + " = 1", None),
    ],
    ids=["many dots", "one long word", "as deep as may be"],
)
def test_what_is_not(text, value):
    table = parse_toml(text.encode())
    assert value is None or table["layers"] == value
