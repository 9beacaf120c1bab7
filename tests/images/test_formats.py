"""Every format of the table, whichever it is: written and read, memory, limits, metadata, bands, damage."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from cnncli.errors import ImageError
from cnncli.images.formats import FORMATS, KINDS
from cnncli.images.frames import Picture
from cnncli.images.metadata import Metadata
from cnncli.images.reading import open_image, read_image
from cnncli.images.writing import write_frames, write_image

KIND_OF = {form.name: kind for kind in KINDS.values() for form in kind.written}
HEIGHT, WIDTH = 24, 36
LOSS = {"jpeg": 2, "avif": 4}  # levels that an edge between black and white may lose; the other formats are exact


def picture(name, channels=None):
    """Black and white, which every format holds; with as many channels as are asked for, the last opaque for alpha."""
    form = FORMATS[name]
    channels = channels or min(form.channels or (1,))
    white = 255 if form.dtypes[0] == "uint8" else 1
    pixels = np.zeros((HEIGHT, WIDTH, channels), form.dtypes[0])
    pixels[:, WIDTH // 2 :] = white
    if channels in (2, 4):
        pixels[..., -1] = white
    return pixels[..., 0] if channels == 1 else pixels


def written(name, pixels, **options):
    stream = io.BytesIO()
    write_image(stream, pixels, format=name, **options)
    stream.seek(0)
    return stream


CASES = [(name, channels) for name, form in FORMATS.items() for channels in form.channels or (1, 3)]


@pytest.mark.parametrize(("name", "channels"), CASES)
def test_file_is_recognised_by_its_content_and_read(tmp_path, name, channels):
    pixels = picture(name, channels)
    path = tmp_path / f"a{FORMATS[name].suffix}"
    write_image(path, pixels, format=name)
    with open_image(path) as image:
        assert image.kind is KIND_OF[name]
        assert image.frame_count == 1
        (frame,) = image.frames()
        found = frame.array()
        assert (frame.shape, frame.dtype) == (found.shape, found.dtype)
    assert found.shape[:2] == (HEIGHT, WIDTH)
    colours = pixels[..., : -1 if channels in (2, 4) else None] if pixels.ndim == 3 else pixels
    assert np.abs(
        found.reshape(HEIGHT, WIDTH, -1) - colours.reshape(HEIGHT, WIDTH, -1).astype(float)
    ).max() <= LOSS.get(name, 0)


@pytest.mark.parametrize("name", FORMATS)
def test_luma_of_a_grey_picture_is_the_picture(name):
    pixels = picture(name)
    gray = read_image(written(name, pixels), gray=True)
    assert gray.shape == (HEIGHT, WIDTH)
    assert np.abs(gray - pixels.reshape(HEIGHT, WIDTH, -1)[..., 0].astype(float)).max() <= LOSS.get(name, 0)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("gray", [False, True])
def test_memory_and_pixels_are_told_before_anything_is_read(name, gray):
    with open_image(written(name, picture(name)), gray=gray) as image:
        reckoned, pixels = image.decoded_bytes(), image.pixels
        frame = next(image.frames())
        assert reckoned >= frame.array().nbytes
        assert pixels == HEIGHT * WIDTH or image.kind.numeric


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_over_the_limit_is_one_line(name):
    content = written(name, picture(name))
    with pytest.raises(ImageError, match=r"over the limit of .*\b400\b.*--max-pixels \d+") as caught:
        open_image(content, max_pixels=400)
    assert "\n" not in str(caught.value)
    content.seek(0)
    assert read_image(content, max_pixels=None).shape[:2] == (HEIGHT, WIDTH)


@pytest.mark.parametrize("name", FORMATS)
def test_metadata_is_kept_or_left_out_and_never_made_up(name):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "maker"
    told = Metadata(icc_profile=profile, exif=exif.tobytes(), dpi=(300.0, 150.0))
    with open_image(written(name, picture(name, 3 if (name, 3) in CASES else None), metadata=told)) as image:
        found = next(image.frames()).metadata
    assert found.icc_profile in (None, profile)
    assert found.exif is None or b"maker" in found.exif
    assert found.dpi is None or found.dpi == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("name", FORMATS)
def test_cuts_into_bands_do_not_show(name):
    pixels = picture(name)
    stream = io.BytesIO()
    bands = [pixels[:16], pixels[16:17], pixels[17:]]
    write_frames(stream, [Picture(pixels.shape, pixels.dtype, bands)], format=name)
    stream.seek(0)
    assert np.array_equal(read_image(stream), read_image(written(name, pixels)))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_piped(tmp_path, name):
    np.save(tmp_path / "a.npy", picture(name))
    code = (
        "import sys, numpy as np; from cnncli.images.writing import write_image\n"
        f"write_image(sys.stdout.buffer, np.load('a.npy'), format={name!r})"
    )
    piped = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True).stdout
    assert np.array_equal(read_image(io.BytesIO(piped)), read_image(written(name, picture(name))))


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if not form.frames])
def test_several_frames_where_one_fits(name):
    pages = [picture(name)] * 2
    with pytest.raises(ImageError, match=f"{name} holds one frame, found several; .* hold more"):
        write_frames(io.BytesIO(), [Picture(page.shape, page.dtype, [page]) for page in pages], format=name)


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.frames])
def test_several_frames_come_back_in_order(name):
    pixels = picture(name)
    pages = [pixels, pixels[:, ::-1].copy(), pixels]
    stream = io.BytesIO()
    write_frames(stream, [Picture(page.shape, page.dtype, [page]) for page in pages], format=name)
    stream.seek(0)
    with open_image(stream) as image:
        found = [frame.array().reshape(HEIGHT, WIDTH, -1)[..., 0] for frame in image.frames()]
    assert np.abs(np.subtract(found, pages, dtype=float)).max() <= LOSS.get(name, 0)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_file_is_one_line_or_a_picture(tmp_path, name, share):
    content = written(name, picture(name)).getvalue()
    path = tmp_path / f"cut{FORMATS[name].suffix}"
    path.write_bytes(content[: int(len(content) * share)])
    try:
        with open_image(path) as image:
            assert all(frame.array().shape == frame.shape for frame in image.frames())
    except ImageError as error:
        assert str(error).startswith(str(path))  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:  # a text may end anywhere, and what stands behind the pixels of a picture may be missing
        assert FORMATS[name].text or share == 0.9


@pytest.mark.parametrize("name", FORMATS)
def test_damage_anywhere_is_one_line_or_a_picture(name, capfd):
    content = written(name, picture(name, 3 if (name, 3) in CASES else None)).getvalue()
    random = np.random.default_rng(3)
    for _ in range(80):
        damaged = bytearray(content)
        for place in random.integers(0, min(300, len(damaged)), 3):
            damaged[place] = random.integers(256)
        try:
            with open_image(io.BytesIO(damaged), max_pixels=10**6) as image:
                assert all(frame.array().shape == frame.shape for frame in image.frames())
        except ImageError as error:
            assert "\n" not in str(error)  # noqa: PT017
    assert capfd.readouterr().out == ""


LOSSY = [name for name, form in FORMATS.items() if form.lossy]


@pytest.mark.parametrize("name", LOSSY)
def test_quality_trades_bytes_for_fidelity(name):
    pixels = np.random.default_rng(5).integers(0, 256, (64, 96, 3), np.uint8)
    sizes, errors = [], []
    for quality in (1, 30, 60, 90, 100):
        content = written(name, pixels, quality=quality)
        sizes.append(len(content.getvalue()))
        errors.append(np.abs(read_image(content) - pixels.astype(float)).mean())
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 4
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("name", LOSSY)
def test_cuts_into_bands_do_not_show_at_a_quality(name):
    pixels = np.random.default_rng(5).integers(0, 256, (64, 96), np.uint8)
    stream = io.BytesIO()
    bands = [pixels[:16], pixels[16:17], pixels[17:]]
    write_frames(stream, [Picture(pixels.shape, pixels.dtype, bands)], format=name, quality=40)
    stream.seek(0)
    assert np.array_equal(read_image(stream), read_image(written(name, pixels, quality=40)))


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in LOSSY])
def test_quality_of_a_format_that_has_none(tmp_path, name):
    with pytest.raises(ImageError, match=rf"{name} has no quality setting: .* write jpeg, webp or avif"):
        write_image(tmp_path / "a", picture(name), format=name, quality=80)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("quality", [0, 101, -1])
@pytest.mark.parametrize("name", LOSSY)
def test_quality_out_of_range(name, quality):
    with pytest.raises(ImageError, match=rf"quality must be from 1 to 100, got {quality}"):
        written(name, picture(name), quality=quality)
