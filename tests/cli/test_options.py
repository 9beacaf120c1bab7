import pytest

from cnncli.cli.options import over_files


def test_a_misspelt_option_of_files_is_named():
    with pytest.raises(TypeError, match="FileOptions has no recursve; its fields are inputs, output, "):
        over_files("inputs", "recursve")
