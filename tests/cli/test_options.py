import pytest
from shell import cnncli

from cnncli.cli.app import COMMANDS
from cnncli.cli.options import over_files
from cnncli.images.formats import FORMATS


def test_a_misspelt_option_of_files_is_named():
    with pytest.raises(TypeError, match="FileOptions has no recursve; its fields are inputs, output, "):
        over_files("inputs", "recursve")


def test_the_help_names_every_lossy_format():
    told = " ".join(cnncli("edge", "--help").stdout.replace("│", " ").split())
    assert f"lossy outputs ({', '.join(name for name, form in FORMATS.items() if form.lossy)})" in told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_takes_a_list_takes_one_with_nuls(command):
    words = cnncli(command, "--help").stdout.split()
    over_files = command in ("edge", "pool", "predict", "detect", "why")
    assert ("--files-from" in words) == ("--files-from0" in words) == over_files
