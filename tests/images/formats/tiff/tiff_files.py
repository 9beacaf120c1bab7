"""TIFF files made by hand: every layout that the format allows, also those that no library writes."""

import io
import lzma
import struct
import zlib

import numpy as np
from PIL import Image

SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 3, 4, 5, 7, 16
_LETTERS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q"}
NONE, LZW, DEFLATE, PACKBITS, LZMA = 1, 5, 8, 32773, 34925
KINDS = {"u": 1, "i": 2, "f": 3}
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def file_of(*pages, order="<", big=False, chain=None):
    """A file of pages: each a dictionary of {tag: (type, values)}, "segments" (bytes) and where their offsets go.

    `chain` replaces the offset of the directory behind the last page by that of the page of this number.
    """
    count, entry, offset, inline = ("Q", "HHQ", "Q", 8) if big else ("H", "HHI", "I", 4)
    pack = lambda form, *values: struct.pack(order + form, *values)  # noqa: E731
    out = bytearray((b"II" if order == "<" else b"MM") + (pack("HHHQ", 43, 8, 0, 0) if big else pack("HI", 42, 0)))
    link, starts = len(out) - inline, []
    for page in pages:
        page = dict(page)
        offsets = []
        for segment in page.pop("segments"):
            offsets.append(len(out) if segment else 0)
            out += segment
        offset_tag = 324 if 322 in page else 273
        page.setdefault(offset_tag, (LONG8 if big else LONG, offsets))
        fields = []
        for tag, (kind, values) in sorted(page.items()):
            content = pack(f"{len(values)}{_LETTERS[kind]}", *values)
            number = len(values) // (2 if kind == RATIONAL else 1)
            if len(content) > inline:
                place = pack(offset, len(out))
                out += content + bytes(len(content) % 2)
            else:
                place = content.ljust(inline, b"\0")
            fields.append(pack(entry, tag, kind, number) + place)
        out += bytes(len(out) % 2)
        out[link : link + inline] = pack(offset, len(out))
        starts.append(len(out))
        out += pack(count, len(fields)) + b"".join(fields)
        link = len(out)
        out += bytes(inline)
    if chain is not None:
        out[link : link + inline] = pack(offset, starts[chain])
    return bytes(out)


def page_of(
    samples,
    *,
    bits,
    photometric,
    extras=(),
    order="<",
    compression=NONE,
    predictor=1,
    planar=False,
    tile=None,
    rows=None,
    reversed_bits=False,
    **more,
):
    """A page of samples (H, W, S). `more` holds further tags by number, `t320=(SHORT, values)`."""
    height, width, channels = samples.shape
    tag = {
        256: (LONG, [width]),
        257: (SHORT, [height]),
        258: (SHORT, [bits] * channels),
        259: (SHORT, [compression]),
        262: (SHORT, [photometric]),
        266: (SHORT, [2 if reversed_bits else 1]),
        277: (SHORT, [channels]),
        284: (SHORT, [2 if planar else 1]),
        317: (SHORT, [predictor]),
        339: (SHORT, [KINDS[samples.dtype.kind]] * channels),
    }
    if extras:
        tag[338] = (SHORT, list(extras))
    segments = []
    for plane in [samples[..., [channel]] for channel in range(channels)] if planar else [samples]:
        for segment in cut(plane, tile, rows):
            data = compress(encode(segment, bits, order, predictor), compression)
            segments.append(data.translate(REVERSED) if reversed_bits else data)
    if tile:
        tag |= {322: (SHORT, [tile[1]]), 323: (SHORT, [tile[0]]), 325: (LONG, [len(data) for data in segments])}
    else:
        tag |= {278: (LONG, [rows or height]), 279: (LONG, [len(data) for data in segments])}
    tag |= {int(name[1:]): value for name, value in more.items()}
    return {**{number: value for number, value in tag.items() if value}, "segments": segments}


def cut(plane, tile, rows):
    """The strips or (padded) tiles of a plane."""
    height, width, _ = plane.shape
    if not tile:
        return [plane[top : top + (rows or height)] for top in range(0, height, rows or height)]
    padded = np.pad(plane, [(0, -height % tile[0]), (0, -width % tile[1]), (0, 0)], "edge")
    return [
        padded[top : top + tile[0], left : left + tile[1]]
        for top in range(0, height, tile[0])
        for left in range(0, width, tile[1])
    ]


def encode(segment, bits, order, predictor):
    """The bytes of samples (h, w, S)."""
    height, width, channels = segment.shape
    itemsize = segment.dtype.itemsize
    if predictor == 2:
        whole = np.ascontiguousarray(segment).view(f"u{itemsize}")
        segment = np.concatenate([whole[:, :1], whole[:, 1:] - whole[:, :-1]], axis=1)
    if predictor == 3:
        big = np.ascontiguousarray(segment.astype(segment.dtype.newbyteorder(">"))).view(np.uint8)
        planes = big.reshape(height, width * channels, itemsize).swapaxes(1, 2).reshape(height, -1, channels)
        return np.concatenate([planes[:, :1], planes[:, 1:] - planes[:, :-1]], axis=1).tobytes()
    if bits == 8 * itemsize:
        return segment.astype(segment.dtype.newbyteorder(order)).tobytes()
    places = np.arange(bits)[::-1].astype(segment.dtype)
    packed = (segment.reshape(height, -1, 1) >> places & 1).astype(np.uint8).reshape(height, -1)
    return np.packbits(packed, axis=1).tobytes()


def compress(data, compression):
    if compression == DEFLATE:
        return zlib.compress(data)
    if compression == LZMA:
        return lzma.compress(data)
    if compression in (LZW, PACKBITS):
        return by_pillow(data, {LZW: "tiff_lzw", PACKBITS: "packbits"}[compression])
    return data


def by_pillow(data, name):
    """Bytes compressed as the rows of a grey picture are."""
    stream = io.BytesIO()
    Image.frombytes("L", (len(data), 1), data).save(stream, "tiff", compression=name)
    with Image.open(stream) as image:
        (start,), (length,) = image.tag_v2[273], image.tag_v2[279]
    return stream.getvalue()[start : start + length]
