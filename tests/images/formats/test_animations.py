import io

import numpy as np
import pytest
from animated_files import (
    CLEAR,
    KEEP,
    NOTHING,
    RESTORE,
    PngFrame,
    apng_file,
    gif_file,
    gif_image,
    random_apng,
    random_gif,
)

from cnncli.errors import ImageError
from cnncli.images.frames import Picture, luma
from cnncli.images.metadata import Metadata
from cnncli.images.reading import open_image, read_image
from cnncli.images.writing import write_frames

A_FEW, MANY = range(60), range(60, 1000)
RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)
PALETTE = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), *[(9, 9, 9)] * 4]


def frames_of(content, **options):
    with open_image(io.BytesIO(content), **options) as image:
        frames = [(frame.array(), frame.alpha()) for frame in image.frames()]
        assert len(frames) == image.frame_count
    return frames


def rgba(pixels, alpha, full=255):
    colours = pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)
    return np.dstack([colours, np.full(pixels.shape[:2], full) if alpha is None else alpha])


def check(content, expected, full=255):
    frames = frames_of(content)
    assert len(frames) == len(expected)
    assert len({(pixels.shape, pixels.dtype, alpha is None) for pixels, alpha in frames}) == 1
    for (pixels, alpha), shown in zip(frames, expected, strict=True):
        assert np.array_equal(rgba(pixels, alpha, full), shown)
    opaque = all(pixel[3] == full for shown in expected for row in shown for pixel in row)
    assert frames[0][1] is not None or opaque
    for (gray, _), (pixels, _) in zip(frames_of(content, gray=True), frames, strict=True):
        assert np.array_equal(gray, luma(pixels))


@pytest.mark.parametrize("seed", A_FEW)
def test_random_gifs(seed):
    check(*random_gif(seed))


@pytest.mark.parametrize("seed", A_FEW)
def test_random_pngs(seed):
    check(*random_apng(seed))


@pytest.mark.slow
def test_many_random_animations():
    for seed in MANY:
        check(*random_gif(seed))
        check(*random_apng(seed))


def apng(*frames, width=1, kind=6, **options):
    """An animation of one row of 8-bit samples."""
    stored = [PngFrame(0, 0, [samples], width, disposal, blend) for samples, disposal, blend in frames]
    return apng_file(width, 1, 8, kind, stored, **options)


def gif(*images, width=2, height=1):
    return gif_file(width, height, PALETTE, images)


CASES = {
    "what was restored is not shown again": (
        apng((GREEN, KEEP, 0), (RED, RESTORE, 1), (NOTHING, KEEP, 1)),
        [[[GREEN]], [[RED]], [[GREEN]]],
    ),
    "half of white over black": (
        apng(((0, 0, 0, 255), KEEP, 0), ((255, 255, 255, 128), KEEP, 1)),
        [[[(0, 0, 0, 255)]], [[(128, 128, 128, 255)]]],
    ),
    "half of a colour over nothing": (
        apng((NOTHING, KEEP, 0), ((200, 100, 50, 128), KEEP, 1)),
        [[[NOTHING]], [[(200, 100, 50, 128)]]],
    ),
    "the first frame restores nothing": (
        apng((GREEN, RESTORE, 0), ((0, 0, 255, 0), KEEP, 1)),
        [[[GREEN]], [[NOTHING]]],
    ),
    "a still for other viewers is no frame": (
        apng((GREEN, CLEAR, 0), (NOTHING, KEEP, 1), hidden=[BLUE]),
        [[[GREEN]], [[NOTHING]]],
    ),
    "a disposal holds for its own frame alone": (
        gif(
            gif_image(0, 0, [[1, 1]], control=(2, None, 5)),
            gif_image(0, 0, [[2]], control=(0, None, 5)),
            gif_image(1, 0, [[3]], control=(0, None, 5)),
        ),
        [[[RED, RED]], [[GREEN, NOTHING]], [[GREEN, BLUE]]],
    ),
    "a frame is cleared to nothing, with or without a transparent colour": (
        gif(gif_image(0, 0, [[1, 1]], control=(2, None, 5)), gif_image(1, 0, [[2]], control=(2, 0, 5))),
        [[[RED, RED]], [[NOTHING, GREEN]]],
    ),
    "a frame restores what was there": (
        gif(
            gif_image(0, 0, [[1, 1]], control=(1, None, 5)),
            gif_image(0, 0, [[2, 2]], control=(3, None, 5)),
            gif_image(1, 0, [[3]], control=(3, None, 5)),
        ),
        [[[RED, RED]], [[GREEN, GREEN]], [[RED, BLUE]]],
    ),
    "a first frame of part of the screen": (gif(gif_image(1, 0, [[1]])), [[[NOTHING, RED]]]),
    "a first frame beyond the screen enlarges it": (gif(gif_image(1, 0, [[1, 2]])), [[[NOTHING, RED, GREEN]]]),
    "a later frame beyond the screen is cut off": (
        gif(gif_image(0, 0, [[1, 1]]), gif_image(1, 0, [[2, 3], [3, 3]]), gif_image(9, 9, [[3]])),
        [[[RED, RED]], [[RED, GREEN]], [[RED, GREEN]]],
    ),
    "a frame of no pixels": (
        gif(gif_image(0, 0, [[1, 1]]), gif_image(0, 0, [], control=(2, None, 5)), gif_image(1, 0, [[2]])),
        [[[RED, RED]], [[RED, RED]], [[RED, GREEN]]],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_frames_as_browsers_show_them(case):
    check(*case)


def test_durations_loops_and_control_of_one_frame_alone():
    content = gif(gif_image(0, 0, [[1, 1]], control=(0, None, 12)), gif_image(0, 0, [[2, 2]]))
    with open_image(io.BytesIO(content)) as image:
        assert [frame.metadata.duration for frame in image.frames()] == [120, None]
    frames = [PngFrame(0, 0, [RED], 1, delay=delay) for delay in ((3, 20), (1, 0), (0, 7))]
    with open_image(io.BytesIO(apng_file(1, 1, 8, 6, frames))) as image:
        assert [frame.metadata.duration for frame in image.frames()] == [150, 10, 0]


DAMAGED = {
    "frames that are missing": (apng((RED, KEEP, 0), announced=3), "3 frames are announced, and 1 found"),
    "frames that were not announced": (apng(*[(RED, KEEP, 0)] * 3, announced=2), "2 frames are announced, and 3 found"),
    "a frame beyond the canvas": (
        apng_file(1, 1, 8, 6, [PngFrame(0, 0, [RED], 1), PngFrame(1, 0, [RED], 1)]),
        "a frame of 1 x 1 at 1,0 does not fit 1 x 1",
    ),
    "an unknown disposal": (apng((RED, KEEP, 0), (RED, 7, 0)), "7 is not a valid Disposal"),
}


@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_animations_are_refused(content, message):
    with pytest.raises(ImageError, match=message):
        frames_of(content)


def test_pieces_out_of_order():
    content = apng((RED, KEEP, 0), (GREEN, KEEP, 0), (BLUE, KEEP, 0))
    first, second = (content.index(b"fdAT") - 4, content.rindex(b"fdAT") - 4)
    size = content.index(b"fcTL", first) - 4 - first
    swapped = bytearray(content)
    swapped[first : first + size], swapped[second : second + size] = (
        content[second : second + size],
        content[first : first + size],
    )
    with pytest.raises(ImageError, match="piece 4 of the animation stands where 2 should be"):
        frames_of(bytes(swapped))


def test_frames_count_together_before_any_is_decoded():
    tiny = gif(*[gif_image(0, 0, [[1]])] * 30, width=1)
    with pytest.raises(
        ImageError, match=r"its 30 frames count as 491,520 pixels .*, over 10 times the limit of 40,000; raise it"
    ):
        read_image(io.BytesIO(tiny), max_pixels=40_000)
    assert read_image(io.BytesIO(tiny), max_pixels=49_152).shape == (1, 1, 3)
    single = gif(gif_image(0, 0, [[1, 2]]))
    assert read_image(io.BytesIO(single), max_pixels=2).shape == (1, 2, 3)
    image = b"," + bytes(4) + b"\x40\x9c\x40\x9c\0\2\0"  # 40,000 x 40,000 without any data
    with pytest.raises(ImageError, match="its 2 frames count as 1,600,016,384 pixels"):
        read_image(io.BytesIO(gif(gif_image(0, 0, [[1]]), image)))


@pytest.mark.parametrize("form", ["webp", "png", "gif"])
def test_written_frames_are_read_as_they_were_meant(form):
    random = np.random.default_rng(4)
    levels = random.integers(0, 256, (3, 4), dtype=np.uint8)
    levels[:, 3] = 255
    frames = [levels[random.integers(0, 3, (5, 7))] for _ in range(4)]
    frames[2][:, :3] = 0
    stream = io.BytesIO()
    write_frames(stream, [Picture(frame.shape, frame.dtype, [frame]) for frame in frames], format=form)
    for (pixels, alpha), expected in zip(frames_of(stream.getvalue()), frames, strict=True):
        assert np.array_equal(np.dstack([pixels, alpha]), expected)


def test_a_transparent_frame_of_a_gif_is_not_dropped_for_a_black_one():
    nothing, black = np.zeros((2, 3, 2), np.uint8), np.full((2, 3, 2), (0, 255), np.uint8)
    for frames in ([nothing, black, nothing], [black, nothing]):
        stream = io.BytesIO()
        write_frames(stream, [Picture(frame.shape, frame.dtype, [frame]) for frame in frames], format="gif")
        read = frames_of(stream.getvalue())
        assert len(read) == len(frames)
        for (pixels, alpha), frame in zip(read, frames, strict=True):
            assert np.array_equal(alpha, frame[..., 1])
            assert (pixels[alpha > 0] == 0).all()


def test_every_frame_of_a_gif_is_written_with_its_time_also_those_that_are_alike():
    frame = np.zeros((2, 3), np.uint8)
    pictures = [Picture(frame.shape, frame.dtype, [frame], Metadata(duration=time, loop=3)) for time in (10, 20, 1e9)]
    stream = io.BytesIO()
    write_frames(stream, pictures, format="gif")
    with open_image(io.BytesIO(stream.getvalue())) as image:
        read = [frame.metadata for frame in image.frames()]
    assert [metadata.duration for metadata in read] == [10, 20, 655_350]
    assert read[0].loop == 3


def test_bytes_between_the_blocks_of_a_gif_are_skipped():
    images = [gif_image(0, 0, [[1, 1]]), b"\0\0", gif_image(0, 0, [[2, 2]]), b"junk", gif_image(0, 0, [[3, 3]])]
    check(gif(*images) + b"," + bytes(20), [[[colour, colour]] for colour in (RED, GREEN, BLUE)])


def test_a_large_blend_is_made_in_bands(monkeypatch):
    monkeypatch.setattr("cnncli.images.formats.animations._PIXELS_PER_BAND", 3)
    for seed in range(10):
        check(*random_apng(seed))
