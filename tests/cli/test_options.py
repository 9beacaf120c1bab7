import pytest
from shell import cnncli

from cnncli.cli.options import over_files
from cnncli.images.formats import FORMATS


def test_a_misspelt_option_of_files_is_named():
    with pytest.raises(TypeError, match="FileOptions has no recursve; its fields are inputs, output, "):
        over_files("inputs", "recursve")


def test_the_help_names_every_lossy_format():
    told = " ".join(cnncli("edge", "--help").stdout.replace("│", " ").split())
    assert f"lossy outputs ({', '.join(name for name, form in FORMATS.items() if form.lossy)})" in told
