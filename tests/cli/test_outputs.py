"""Where outputs go, and in which format and quality."""

import pytest
from oracles import photograph
from PIL import Image
from shell import PICTURE_COMMANDS, cnncli, done, listing, save

from cnncli.images.formats import FORMATS

USAGE = 2


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two pictures, to work in."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.png"):
        save(tmp_path, photograph("astronaut")[:48, :64], name)
    return tmp_path


class TestQuality:
    @pytest.mark.parametrize("command", PICTURE_COMMANDS)
    @pytest.mark.parametrize("form", [form for form in FORMATS.values() if form.lossy], ids=lambda form: form.name)
    def test_is_passed_to_the_writer(self, here, command, form):
        sizes = []
        for quality in (5, 50, 95):
            done(command, "b.png", "-o", f"{quality}{form.suffix}", "--quality", quality)
            sizes.append((here / f"{quality}{form.suffix}").stat().st_size)
        assert sizes == sorted(set(sizes))

    def test_default_of_jpeg(self, here):
        done("edge", "b.png", "-o", "default.jpg")
        done("edge", "b.png", "-o", "90.jpg", "--quality", 90)
        assert (here / "default.jpg").read_bytes() == (here / "90.jpg").read_bytes()

    def test_webp_is_lossless_without(self, here):
        done("edge", "b.png", "-o", "a.webp")
        done("edge", "b.png", "-o", "a.png")
        with Image.open("a.webp") as webp, Image.open("a.png") as png:
            assert webp.convert("L").tobytes() == png.tobytes()

    @pytest.mark.parametrize(
        "words",
        ["", "-o out.png", "-o {stem}.tiff", "-o out/", "--format npy", "-o x.jpg --format png"],
    )
    def test_is_refused_where_it_means_nothing(self, here, words):
        before = listing(here)
        result = cnncli("edge", "a.jpg", "--quality", 80, *words.split())
        assert (result.exit_code, result.stdout) == (USAGE, "")
        assert "has no quality setting: leave it out, or write jpeg or webp" in result.stderr
        assert listing(here) == before

    @pytest.mark.parametrize("quality", ["0", "101", "high"])
    def test_out_of_range(self, here, quality):
        assert cnncli("edge", "a.jpg", "-o", "out.jpg", "--quality", quality).exit_code == USAGE

    def test_other_quality_is_another_output(self, here):
        words = ["edge", "a.jpg", "b.png", "-o", "out/", "--format", "jpeg", "--skip-existing"]
        done(*words, "--quality", 80)
        first = (here / "out/a-sobel.jpg").read_bytes()
        assert "2 skipped" in done(*words, "--quality", 80).stderr
        assert "2 done" in done(*words, "--quality", 20).stderr
        assert len((here / "out/a-sobel.jpg").read_bytes()) < len(first)
