import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cnncli.images.exif import ORIENTATION, orientation, turned, without
from cnncli.images.metadata import Metadata
from cnncli.images.reading import read_image


def block(*, order="<", tags=(), thumbnail=False):
    """An EXIF block as Pillow writes it, with a second directory where a thumbnail is asked for."""
    exif = Image.Exif()
    exif.endian = order
    for tag, value in tags:
        exif[tag] = value
    exif.get_ifd(0x8769).update({0xA002: 640, 0xA003: 480, 0x829A: 0.5})
    data = exif.tobytes()
    if thumbnail:
        head = bytearray(data[6:])
        first = int.from_bytes(head[4:8], "little")
        link = first + 2 + 12 * int.from_bytes(head[first : first + 2], "little")
        second, start = len(head), len(head) + 2 + 24 + 4
        head[link : link + 4] = second.to_bytes(4, "little")
        entries = ((0x0201, start), (0x0202, 9))
        head += (2).to_bytes(2, "little")
        for tag, value in entries:
            head += b"".join((tag.to_bytes(2, "little"), b"\4\0\1\0\0\0", value.to_bytes(4, "little")))
        data = b"Exif\0\0" + bytes(head) + bytes(4) + b"THUMBNAIL"
    return data


def tags_of(data):
    exif = Image.Exif()
    exif.load(data)
    return dict(exif) | exif.get_ifd(0x8769)


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_read_and_removed(value):
    data = block(tags=[(0x010F, "maker"), (ORIENTATION, value), (0x0132, "2024:06:21 21:30:00")])
    assert orientation(data) == value
    rest = without(data, [ORIENTATION])
    assert orientation(rest) == 1
    expected = tags_of(data)
    del expected[ORIENTATION]
    assert tags_of(rest) == expected


def test_a_thumbnail_is_cut_off():
    data = block(tags=[(0x010F, "maker")], thumbnail=True)
    assert b"THUMBNAIL" in data
    assert b"THUMBNAIL" not in without(data, [])
    assert tags_of(without(data, [])) == tags_of(block(tags=[(0x010F, "maker")]))


def test_pixel_sizes_go_when_the_size_changes():
    metadata = Metadata(exif=block(tags=[(0x0100, 640), (0x010F, "maker")]))
    kept = tags_of(metadata.for_result(mode_changed=False, size_changed=True).exif)
    assert {0x0100, 0xA002, 0xA003}.isdisjoint(kept)
    assert kept[0x010F] == "maker"
    assert kept[0x829A] == 0.5
    assert metadata.for_result(mode_changed=False, size_changed=False) == metadata


@given(st.binary(max_size=80))
def test_damaged_blocks_do_no_harm(noise):
    for data in (noise, b"Exif\0\0II*\0" + noise, b"MM\0*\0\0\0\x08" + noise):
        assert orientation(data) in range(1, 9)
        without(data, [ORIENTATION])


@pytest.mark.parametrize("value", range(1, 9))
def test_arrays_turn_as_pillow_turns_images(value):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    exif = Image.Exif()
    exif[ORIENTATION] = value
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png", exif=exif)
    assert np.array_equal(turned(pixels, value), np.asarray(ImageOps.exif_transpose(Image.open(stream))))


def hand_made(order, kind, values, *, before=(), cut=None, prefix=b"Exif\0\0"):
    """A block with the orientation in any spelling; `cut` takes off the end."""
    letter = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 11: "f"}[kind]
    content = b"".join(struct.pack(order + letter, *([value, 1] if kind == 5 else [value])) for value in values)
    entries = [*before, (ORIENTATION, kind, len(values), content), (0x0131, 2, 4, b"abc\0")]
    start = 8 + 2 + 12 * len(entries) + 4
    table, behind = b"", b""
    for tag, entry_kind, count, data in entries:
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", start + len(behind))
        behind += data if len(data) > 4 else b""
        table += struct.pack(order + "HHI", tag, entry_kind, count) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return prefix + (head + table + bytes(4) + behind)[:cut]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        *((kind, [6], 6) for kind in (1, 3, 4, 6, 8, 9)),
        *((kind, [6, 1], 6) for kind in (1, 3, 4)),
        (3, [8, 1, 1, 1], 8),
        *((3, [value], 1) for value in (0, 9, 65535)),
        (4, [0x60000], 1),
        (9, [-6], 1),
        (2, [6], 1),
        (5, [6], 1),
        (11, [6], 1),
        (3, [], 1),
    ],
)
def test_every_spelling_of_an_orientation(order, kind, values, expected):
    assert orientation(hand_made(order, kind, values)) == expected


@pytest.mark.parametrize("cut", [34, 23])
def test_damage_behind_the_orientation_does_not_hide_it(cut):
    assert orientation(hand_made(">", 3, [6], cut=cut)) == 6
    assert orientation(hand_made(">", 3, [6], cut=12)) == 1
    assert orientation(hand_made("<", 3, [6], prefix=b"Exif\0\0" * 2)) == 6


@pytest.mark.parametrize("suffix", ["jpeg", "png", "webp"])
def test_orientation_in_other_spellings_turns_the_picture(suffix):
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    for data in (
        hand_made(">", 4, [6]),
        hand_made("<", 1, [6]),
        hand_made("<", 3, [6, 6]),
        hand_made(">", 3, [6], cut=34),
    ):
        stream = io.BytesIO()
        options = {"lossless": True} if suffix == "webp" else {}
        Image.fromarray(pixels).convert("RGB").save(stream, suffix, exif=data, **options)
        stream.seek(0)
        assert read_image(stream).shape[:2] == (6, 4)
