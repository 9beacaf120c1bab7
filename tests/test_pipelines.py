"""The pipelines as a program uses them: values that are called with a job and the names to write to."""

import pickle

import numpy as np
import pytest
from oracles import WITH_KERNELS, gray_photograph, photograph, random_image
from PIL import Image

from cnncli import filter_image, read_image, write_image
from cnncli.batch.inputs import Input
from cnncli.batch.plan import Job
from cnncli.errors import ArgumentError, ImageError
from cnncli.filters.chains import Chain
from cnncli.filters.named import FILTERS
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.pools import Pooling, pool_image
from cnncli.filters.rendering import Rendering
from cnncli.images.formats import FORMATS
from cnncli.pipelines.common import check_format
from cnncli.pipelines.edging import EdgePipeline
from cnncli.pipelines.pooling import PoolPipeline

GRAY = gray_photograph("camera")[100:140, 200:260]
RGB = photograph("astronaut")[20:60, 200:260]


def run(pipeline, source, *outputs):
    """Call a pipeline; the outputs' temporary names say nothing of their format."""
    targets = [output.with_suffix(".part") for output in outputs]
    job = Job(Input(str(source), source.name), tuple(map(str, outputs)))
    details = pipeline(job, [str(target) for target in targets])
    for target, output in zip(targets, outputs, strict=True):
        target.rename(output)
    return details


@pytest.fixture
def source(tmp_path):
    write_image(tmp_path / "image.png", GRAY)
    return tmp_path / "image.png"


def edges(*filters, **options):
    rendering = {name: options.pop(name) for name in Rendering.fields if name in options}
    return EdgePipeline(tuple(Chain.of(name) for name in filters), rendering=Rendering(**rendering), **options)


@pytest.mark.parametrize(
    "pipeline",
    [edges("sobel", "box", filtering=Filtering(stride=2), signed="split"), PoolPipeline(Pooling(3))],
    ids=["edges", "pool"],
)
def test_a_pipeline_can_be_sent_to_another_process(tmp_path, source, pipeline):
    sent = pickle.loads(pickle.dumps(pipeline))
    assert sent.labels == pipeline.labels
    for name, each in (("here", pipeline), ("there", sent)):
        run(each, source, *(tmp_path / f"{name}{label}.png" for label in pipeline.labels))
    for label in pipeline.labels:
        assert (tmp_path / f"here{label}.png").read_bytes() == (tmp_path / f"there{label}.png").read_bytes()


def test_labels_tell_outputs_apart():
    assert edges("sobel", "box").labels == ("sobel", "box")
    assert edges("vertical", signed="split").labels == ("vertical-positive", "vertical-negative")
    assert edges("vertical", signed="split", format="npy").labels == ("vertical",)
    assert EdgePipeline((Chain.of("sobel", "angle"),), rendering=Rendering(signed="split")).labels == ("sobel",)
    assert PoolPipeline(Pooling(mode="avg")).labels == ("avg",)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.tif"])
def test_one_file_that_holds_several(name):
    edges("sobel", "box").check_single(name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.txt"])
def test_one_file_that_does_not(name):
    edges("sobel").check_single(name)
    with pytest.raises(ArgumentError, match=r"2 outputs \(sobel, box\)"):
        edges("sobel", "box").check_single(name)


def test_only_what_was_asked_for_is_reported(tmp_path, source):
    (quiet,) = run(edges("sobel"), source, tmp_path / "out.npy")
    assert quiet == {"filter": "sobel", "input_shape": [40, 60], "output_shape": [40, 60]}
    (details,) = run(edges("sobel", "box", statistics=True), source, tmp_path / "out.npy")
    both = [filter_image(GRAY, name) for name in ("sobel", "box")]
    assert details["filter"] == "sobel+box"
    assert details["min"] == min(array.min() for array in both)
    assert details["max"] == pytest.approx(max(array.max() for array in both))


def test_each_output_has_its_own_report(tmp_path, source):
    outputs = [tmp_path / f"{name}.npy" for name in ("vertical", "box")]
    details = run(edges("vertical", "box", statistics=True), source, *outputs)
    for detail, output, name in zip(details, outputs, ("vertical", "box"), strict=True):
        exact = filter_image(GRAY, name)
        assert detail["filter"] == name
        assert (detail["min"], detail["max"]) == (exact.min(), exact.max())
        assert np.array_equal(np.load(output), exact)


def test_arrays_of_different_types_keep_them_in_one_archive(tmp_path, source):
    run(edges(*FILTERS), source, tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as archive:
        for name in FILTERS:
            exact = filter_image(GRAY, name)
            assert archive[name].dtype == exact.dtype
            assert np.array_equal(archive[name], exact)


def test_what_does_not_stack_says_what_would(tmp_path):
    write_image(tmp_path / "image.png", RGB)
    with pytest.raises(ArgumentError, match=r"write \.npz"):
        run(edges("sobel", "box", filtering=Filtering(color="each")), tmp_path / "image.png", tmp_path / "out.npy")
    pipeline = edges("sobel", "roberts", filtering=Filtering(padding="valid"))
    with pytest.raises(ArgumentError, match=r"write \.npz"):
        run(pipeline, tmp_path / "image.png", tmp_path / "out.npy")


def test_frames_of_floats_stay_exact_in_a_tiff(tmp_path):
    numbers = random_image((9, 12), np.float32)
    write_image(tmp_path / "numbers.tif", numbers)
    run(PoolPipeline(Pooling(3, mode="avg")), tmp_path / "numbers.tif", tmp_path / "out.tif")
    assert np.array_equal(read_image(tmp_path / "out.tif"), pool_image(numbers, 3, mode="avg"))


def test_an_output_over_the_limit_is_refused(tmp_path, source):
    pipeline = edges("box", filtering=Filtering(padding=100), max_pixels=5000)
    with pytest.raises(ImageError, match="5,000"):
        run(pipeline, source, tmp_path / "out.png")


def test_floating_alpha_becomes_the_pictures_levels(tmp_path):
    import tifffile

    pixels = np.dstack([np.full((6, 6, 3), 0.5), np.linspace(0.1, 1, 36).reshape(6, 6)]).astype(np.float32)
    tifffile.imwrite(tmp_path / "clear.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    run(edges("box", filtering=Filtering(color="each")), tmp_path / "clear.tif", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        found = np.asarray(image)
    assert np.array_equal(found[..., 3], np.rint(pixels[..., 3] * 255))
    assert (found[..., :3] == 128).all()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_known_by_its_name(name):
    assert check_format(name) == name


def test_an_unknown_format_lists_the_known_ones():
    with pytest.raises(ArgumentError, match=r"known are \.png .*float-tiff"):
        check_format("xyz")


def reported(source, output, **options):
    (details,) = run(edges(options.pop("name"), statistics=True, **options), source, output)
    return details["min"], details["max"], details["clipped_fraction"]


@pytest.mark.parametrize("name", WITH_KERNELS)
@pytest.mark.parametrize("color", ["gray", "each", "volume"])
@pytest.mark.parametrize("scale", ["unit", "none", 3.0])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_report_counts_every_number_once(tmp_path, monkeypatch, name, color, scale, dtype):
    monkeypatch.setattr("cnncli.filters.bands.BAND_PIXELS", 200)
    # A slope: its gradient is nowhere 0, so that a number that is no response would be seen.
    slope = np.add.outer(np.arange(12) * 3, np.arange(15) * 5)[..., None] + np.array([1, 20, 90])
    image = (slope / (255 if dtype == "float32" else 1)).astype(dtype)
    np.save(tmp_path / "image.npy", image)
    response = filter_image(image, name, padding="valid", color=color)
    white = 1 if dtype == "float32" else 255
    channels = 3 if color == "volume" else 1
    unit = Chain.of(name).unit * white * channels
    levels = np.abs(response.astype(float)) * {"unit": 255 / unit, "none": 255 / white, 3.0: 3 * 255 / white}[scale]
    filtering = Filtering(padding="valid", color=color)
    for form, clipped in (("png", (levels > 255.5).mean()), ("npz", 0)):
        low, high, fraction = reported(
            tmp_path / "image.npy",
            tmp_path / f"out.{form}",
            name=name,
            filtering=filtering,
            scale=scale,
            signed="abs",
        )
        assert (low, high) == (response.min(), response.max())
        assert fraction == pytest.approx(clipped, abs=1e-12)


def test_the_report_speaks_of_all_frames_and_of_what_is_finite(tmp_path):
    frames = np.ones((4, 5, 6, 1), np.float32) * np.array([np.nan, 3, 9, np.inf], np.float32).reshape(4, 1, 1, 1)
    np.save(tmp_path / "frames.npy", frames)
    assert reported(tmp_path / "frames.npy", tmp_path / "out.npz", name="gaussian") == (3, 9, 0)
    np.save(tmp_path / "nothing.npy", frames[0])
    assert reported(tmp_path / "nothing.npy", tmp_path / "none.png", name="gaussian") == (None, None, 0)


def test_the_report_of_a_picture_that_is_nowhere_seen(tmp_path):
    write_image(tmp_path / "hidden.png", np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)]))
    assert reported(tmp_path / "hidden.png", tmp_path / "out.png", name="sobel") == (0, 0, 0)
