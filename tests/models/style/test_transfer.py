"""Style transfer as a whole: what the result is, of any pictures; what stops it."""

import threading

import numpy as np
import pytest
from oracles import photograph

from cnncli.data.normalization import Normalization
from cnncli.engines.backends import Backend
from cnncli.engines.initialization import initialize
from cnncli.errors import ArgumentError, ImageError, TrainingError
from cnncli.models.style.networks import JudgingNetwork, default_layers, random_network
from cnncli.models.style.options import StyleOptions
from cnncli.models.style.transfer import StyleWatcher, transfer_style
from cnncli.networks import load_network, parse_network

TEXT = "16x16x3 conv3-6,same,relu max2 conv3-8,same,relu conv3-8,same,relu max2 conv3-8,same,relu"
QUICK = StyleOptions(steps=6, size=24)


def judge(text=TEXT, seed=0):
    network = parse_network(text)
    parameters, buffers = initialize(network, seed)
    last = [name for name in parameters if name.endswith("weight")][-1]
    parameters[last] = parameters[last] * 30  # the first weights of a last layer are nearly nothing
    style, content = default_layers(network)
    return JudgingNetwork(network, parameters, buffers, Normalization.called("imagenet"), Backend(), (content,), style)


@pytest.fixture(scope="module")
def content():
    return photograph("chelsea")[40:104:2, 100:196:2]


@pytest.fixture(scope="module")
def style():
    return photograph("coffee")[:64:2, 200:264:2]


class Recorder(StyleWatcher):
    def __init__(self):
        self.reports, self.notes, self.sizes = [], [], []

    def note(self, message):
        self.notes.append(message)

    def begins(self, level, levels, shape, tiles):
        self.sizes.append((shape, tiles))

    def step(self, report):
        self.reports.append(report)


def test_costs_fall_and_the_picture_has_the_size_asked_for(content, style):
    watcher = Recorder()
    result = transfer_style(content, style, QUICK.replace(size=30), judge(), watcher=watcher)
    assert result.picture.shape == (20, 30, 3)
    assert result.picture.dtype == np.uint8
    assert sum(term.share for term in result.ends) < sum(term.share for term in result.begins)
    assert len(watcher.reports) == result.steps == 6
    assert result.done


def test_the_same_seed_gives_the_same_bits_with_any_threads(content, style):
    first, second = (transfer_style(content, style, QUICK, judge(), jobs=jobs).picture for jobs in (1, 2))
    np.testing.assert_array_equal(first, second)


def test_textures_differ_by_their_seed(style):
    pictures = [transfer_style(None, style, QUICK.replace(seed=seed), judge()).picture for seed in (0, 0, 1)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[0] != pictures[2]).any()
    assert pictures[0].shape == (24, 24, 3)


def test_sizes_grow_from_coarse_to_fine(style):
    watcher = Recorder()
    wide = np.tile(photograph("chelsea")[:75:3, :300:3], (1, 2, 1))
    transfer_style(wide, style, StyleOptions(steps=1, size=260), judge(), watcher=watcher)
    assert [shape[:2] for shape, _ in watcher.sizes] == [(8, 65), (16, 130), (32, 260)]


def test_content_that_is_its_own_style_stays(content):
    watcher = Recorder()
    result = transfer_style(content, content, QUICK.replace(size=48, tv=0), judge(), watcher=watcher)
    assert np.abs(result.picture.astype(int) - content).max() <= 1
    assert any("nothing to transfer" in note for note in watcher.notes)


def test_a_white_mask_changes_nothing_and_a_black_one_is_refused(content, style):
    black, white = (np.full(content.shape[:2], value, np.uint8) for value in (0, 255))
    plain, masked = (transfer_style(content, style, QUICK, judge(), mask=mask).picture for mask in (None, white))
    np.testing.assert_allclose(masked.astype(int), plain, atol=1)
    with pytest.raises(ArgumentError, match="black throughout"):
        transfer_style(content, style, QUICK, judge(), mask=black)


def test_the_style_goes_where_the_mask_is_white(content, style):
    mask = np.zeros(content.shape[:2], np.uint8)
    mask[:, 24:] = 255
    picture = transfer_style(content, style, QUICK.replace(size=48), judge(), mask=mask).picture
    np.testing.assert_array_equal(picture[:, :24], content[:, :24])
    assert (picture[:, 24:] != content[:, 24:]).any()


def test_luminance_keeps_the_differences_of_colours(content, style):
    picture = transfer_style(content, style, QUICK.replace(size=48, keep_colors="luminance"), judge()).picture
    inside = ((picture > 0) & (picture < 255)).all(axis=2)
    ours, theirs = (np.diff(image.astype(int), axis=2)[inside] for image in (picture, content))
    assert len(ours) > 100
    assert np.abs(ours - theirs).max() <= 1


def test_matching_keeps_the_mean_colours(content, style):
    means = {}
    for kept in (None, "matching"):
        picture = transfer_style(content, style, QUICK.replace(keep_colors=kept, style_weight=100.0), judge()).picture
        means[kept] = picture.mean(axis=(0, 1))
    apart = {kept: np.abs(mean - content.mean(axis=(0, 1))).max() for kept, mean in means.items()}
    assert apart["matching"] < 8 < apart[None]


def test_the_weight_of_a_style_says_how_much_it_is_there(content, style):
    other = 255 - style
    only = transfer_style(content, style, QUICK, judge()).picture
    blended = transfer_style(content, [style, other], QUICK.replace(shares=(1, 0)), judge()).picture
    even = transfer_style(content, [style, other], QUICK.replace(shares=(1, 1)), judge()).picture
    np.testing.assert_allclose(blended.astype(int), only, atol=1)
    assert np.abs(even.astype(int) - only).mean() > 5


@pytest.mark.parametrize("kind", ["gray", "16 bits", "float", "one pixel wide"])
def test_pictures_of_any_kind(content, style, kind):
    given = {
        "gray": content[..., 0],
        "16 bits": content.astype(np.uint16) * 257,
        "float": content / 255,
        "one pixel wide": content[:, :1],
    }[kind]
    picture = transfer_style(given, style, QUICK, judge("16x16x3 conv3-6,same,relu conv3-6,same,relu")).picture
    assert picture.ndim == 3
    if kind in ("16 bits", "float"):
        plain = transfer_style(content, style, QUICK, judge("16x16x3 conv3-6,same,relu conv3-6,same,relu")).picture
        np.testing.assert_allclose(picture.astype(int), plain, atol=2)


def test_a_model_of_gray_pictures_makes_a_gray_one(content, style):
    network = judge(TEXT.replace("16x16x3", "16x16x1"))._replace(normalization=Normalization.called("unit"))
    assert transfer_style(content, style, QUICK, network).picture.shape == (16, 24, 1)


def test_a_picture_too_small_for_the_layers_is_refused(content, style):
    with pytest.raises(ImageError, match="1x1 is too small for the layers"):
        transfer_style(content[:1, :1], style, QUICK.replace(size=1), judge())


def test_an_unknown_layer_is_told_with_the_known_ones(content, style):
    with pytest.raises(ArgumentError, match=r"no layer '9': there are 0\.conv"):
        transfer_style(content, style, QUICK.replace(style={"9": 1}), judge())
    with pytest.raises(ArgumentError, match=r"'2' puts out no map.*choose from 0\.conv"):
        transfer_style(content, style, QUICK.replace(content={"2": 1}), judge("16x16x3 conv3-4,relu gap fc-2"))


def test_weights_that_are_not_finite_stop_it(content, style):
    network = judge()
    broken = {name: array * np.float32(1e30) for name, array in network.parameters.items()}
    with pytest.raises(TrainingError, match="step 1: the style cost of layer 0 is no longer finite"):
        transfer_style(content, style, QUICK, network._replace(parameters=broken))


def test_a_stop_gives_the_best_picture_in_full_size(content, style):
    stop = threading.Event()

    class Stopping(StyleWatcher):
        def step(self, report):
            if report.step == 2:
                stop.set()

    result = transfer_style(content, style, StyleOptions(steps=9, size=130), judge(), stop=stop, watcher=Stopping())
    assert not result.done
    assert result.steps == 2
    assert result.picture.shape == (87, 130, 3)


def test_wrong_options_are_refused():
    for wrong in ({"steps": 0}, {"style_weight": -1}, {"keep_colors": "all"}, {"style": {"0": 0}}, {"tv": np.nan}):
        with pytest.raises(ArgumentError):
            StyleOptions(**wrong)


def test_weights_for_other_styles_than_there_are(content, style):
    with pytest.raises(ArgumentError, match="2 weights for 1 styles"):
        transfer_style(content, style, QUICK.replace(shares=(1, 2)), judge())
    with pytest.raises(ArgumentError, match="needs a style"):
        transfer_style(content, [], QUICK, judge())


def test_default_layers_are_those_of_gatys_on_vgg_and_some_on_other_networks():
    assert default_layers(load_network("vgg19")) == (("0", "3", "6", "11", "16"), "12")
    style, content = default_layers(load_network("resnet18"))
    assert len(style) == 5
    assert content not in style
    for name in ("googlenet", "squeezenet1.1", "mobilenet-v2", "lenet5", "alexnet"):
        style, _ = default_layers(load_network(name))
        assert 2 <= len(style) <= 5
    with pytest.raises(ArgumentError, match="needs a convolutional network"):
        default_layers(parse_network("8x8x3 flatten fc-4"))


def test_the_random_network_depends_on_its_seed_alone():
    first, again, other = (random_network(seed).parameters["0.cat.1.0.conv.weight"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
