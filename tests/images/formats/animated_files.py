"""Animated GIF and PNG files made by hand, and what a viewer shows of them, worked out pixel by pixel."""

import random
import struct
import zlib
from fractions import Fraction
from typing import NamedTuple

NOTHING = (0, 0, 0, 0)
KEEP, CLEAR, RESTORE = range(3)


class Part(NamedTuple):
    """One frame as it is stored: rows of (r, g, b, a), put at a place."""

    left: int
    top: int
    rows: list
    disposal: int = KEEP
    over: bool = False


def composed(width, height, parts, full=255):
    """Every frame as rows of (r, g, b, a)."""
    canvas = {(x, y): NOTHING for x in range(width) for y in range(height)}
    for part in parts:
        before = dict(canvas)
        places = {(part.left + x, part.top + y): c for y, row in enumerate(part.rows) for x, c in enumerate(row)}
        places = {place: colour for place, colour in places.items() if place in canvas}
        for place, colour in places.items():
            canvas[place] = laid_over(colour, canvas[place], full) if part.over else colour
        yield [[canvas[x, y] for x in range(width)] for y in range(height)]
        for place in places:
            canvas[place] = {KEEP: canvas[place], CLEAR: NOTHING, RESTORE: before[place]}[part.disposal]


def laid_over(above, below, full):
    if above[3] == 0:
        return below
    share, rest = Fraction(above[3], full), Fraction(full - above[3], full) * Fraction(below[3], full)
    opacity = share + rest
    mixed = [(top * share + bottom * rest) / opacity for top, bottom in zip(above[:3], below[:3], strict=True)]
    return tuple(int(value + Fraction(1, 2)) for value in (*mixed, opacity * full))


# GIF


def gif_image(left, top, indices, *, control=None, palette=(), interlaced=False, bits=3):
    """One image of a GIF; `control` is (disposal, transparent index or None, hundredths of a second)."""
    height, width = len(indices), len(indices[0]) if indices else 0
    out = b""
    if control is not None:
        disposal, transparent, time = control
        flags = disposal << 2 | (transparent is not None)
        out += struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, time, transparent or 0, 0)
    flags = 0x40 * interlaced | (0x80 | size_bits(palette) if palette else 0)
    out += b"," + struct.pack("<HHHHB", left, top, width, height, flags) + b"".join(map(bytes, palette))
    starts = ((0, 8), (4, 8), (2, 4), (1, 2)) if interlaced else ((0, 1),)
    clear = 1 << bits
    codes = [code for start, step in starts for row in indices[start::step] for index in row for code in (clear, index)]
    packed = sum(code << (bits + 1) * at for at, code in enumerate([*codes, clear + 1]))
    data = packed.to_bytes((len(codes) + 1) * (bits + 1) // 8 + 1, "little")
    blocks = [data[at : at + 255] for at in range(0, len(data), 255)]
    return out + bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def size_bits(palette):
    return len(palette).bit_length() - 2


def gif_file(width, height, palette, images):
    flags = 0x80 | size_bits(palette) if palette else 0
    screen = struct.pack("<HHBBB", width, height, flags, 0, 0)
    return b"GIF89a" + screen + b"".join(map(bytes, palette)) + b"".join(images) + b";"


def random_gif(seed):
    """A file, and the frames that it shows."""
    rng = random.Random(seed)
    side, grays = rng.choice([2, 5, 12]), rng.random() < 0.2
    width, height = rng.randint(1, side), rng.randint(1, side)

    def random_palette():
        levels = [rng.randrange(256) for _ in range(8)]
        return [(level,) * 3 for level in levels] if grays else [tuple(rng.randbytes(3)) for _ in levels]

    shared, images, parts = random_palette(), [], []
    for number in range(rng.randint(1, 6)):
        whole = rng.random() < 0.4
        left, top = (0, 0) if whole else (rng.randrange(side + 1), rng.randrange(side + 1))
        columns, rows = (width, height) if whole else (rng.randint(1, side), rng.randint(1, side))
        indices = [[rng.randrange(8) for _ in range(columns)] for _ in range(rows)]
        local = random_palette() if rng.random() < 0.4 else []
        control = (rng.randrange(5), rng.choice([None, rng.randrange(8)]), 7) if rng.random() < 0.9 else None
        disposal, transparent, _ = control or (0, None, 0)
        colours = [(*colour, 255 * (index != transparent)) for index, colour in enumerate(local or shared)]
        pixels = [[colours[index] for index in row] for row in indices]
        images.append(
            gif_image(left, top, indices, control=control, palette=local, interlaced=rng.random() < 0.3)
            + b"!\xfe\3abc\0" * (rng.random() < 0.2)
        )
        parts.append(Part(left, top, pixels, (KEEP, KEEP, CLEAR, RESTORE, RESTORE)[disposal], over=number > 0))
    content = gif_file(width, height, shared, images)
    first = parts[0]  # which may enlarge the screen
    size = max(width, first.left + len(first.rows[0])), max(height, first.top + len(first.rows))
    return content, list(composed(*size, parts))


# PNG


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_data(rows, bits):
    """Rows of lists of samples, compressed."""

    def packed(samples):
        text = "".join(format(sample, f"0{bits}b") for sample in samples)
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")

    return zlib.compress(b"".join(b"\0" + packed(row) for row in rows))


class PngFrame(NamedTuple):
    left: int
    top: int
    rows: list  # of lists of samples
    width: int
    disposal: int = KEEP
    blend: int = 1
    delay: tuple = (1, 10)


def apng_file(width, height, bits, kind, frames, *, extra=b"", hidden=None, pieces=1, announced=None):
    """An animation; `hidden` are the rows of a still in front of it, and a frame's data come in `pieces`."""
    number = 0

    def numbered(name, content):
        nonlocal number
        number += 1
        return chunk(name, struct.pack(">I", number - 1) + content)

    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    out += chunk(b"acTL", struct.pack(">II", announced or len(frames), 0)) + extra
    if hidden:
        out += chunk(b"IDAT", png_data(hidden, bits))
    for index, frame in enumerate(frames):
        place = (frame.width, len(frame.rows), frame.left, frame.top)
        out += numbered(b"fcTL", struct.pack(">IIIIHHBB", *place, *frame.delay, frame.disposal, frame.blend))
        data = png_data(frame.rows, bits)
        step = -(-len(data) // pieces)
        for piece in (data[at : at + step] for at in range(0, len(data), step)):
            out += numbered(b"fdAT", piece) if index or hidden else chunk(b"IDAT", piece)
    return out + chunk(b"tEXt", b"end\0of it") + chunk(b"IEND", b"")


# By colour type: the depths.
PNG_KINDS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def random_apng(seed):
    """A file, the frames that it shows, and the largest level."""
    rng = random.Random(seed)
    kind = rng.choice([0, 2, 3, 4, 6, 6, 6])
    bits = rng.choice(PNG_KINDS[kind])
    top_level = (1 << bits) - 1
    full = 65535 if bits == 16 else 255
    few = [0, top_level, *(rng.randint(0, top_level) for _ in range(3))]
    palette = [tuple(rng.randbytes(3)) for _ in range(min(1 << bits, 16))]
    opacities = [rng.choice([0, 255, rng.randrange(256)]) for _ in palette]
    keyed = kind in (0, 2, 3) and rng.random() < 0.5
    key = [rng.choice(few) for _ in range(CHANNELS[kind])]

    def shown(samples):
        if kind == 3:
            return (*palette[samples[0]], opacities[samples[0]] if keyed else 255)
        levels = [sample * full // top_level for sample in samples]
        colours, alpha = (levels[:-1], levels[-1]) if kind in (4, 6) else (levels, full)
        colours = colours if len(colours) == 3 else colours * 3
        return (*colours, 0 if keyed and samples == key else alpha)

    def random_pixel():
        if kind == 3:
            return [rng.randrange(len(palette))]
        return [rng.choice(few) for _ in range(CHANNELS[kind])]

    side = rng.choice([1, 3, 8])
    width, height = rng.randint(1, side), rng.randint(1, side)
    hidden = [random_pixel() * width for _ in range(height)] if rng.random() < 0.3 else None
    frames, parts = [], []
    for number in range(rng.randint(1, 6)):
        whole = rng.random() < 0.4 or (number == 0 and not hidden)
        left, top = (0, 0) if whole else (rng.randrange(width), rng.randrange(height))
        columns = width if whole else rng.randint(1, width - left)
        lines = height if whole else rng.randint(1, height - top)
        pixels = [[random_pixel() for _ in range(columns)] for _ in range(lines)]
        disposal, blend = rng.randrange(3), rng.randrange(2)
        rows = [[sample for pixel in row for sample in pixel] for row in pixels]
        frames.append(PngFrame(left, top, rows, columns, disposal, blend))
        colours = [[shown(pixel) for pixel in row] for row in pixels]
        parts.append(Part(left, top, colours, disposal, over=bool(blend)))
    extra = chunk(b"PLTE", b"".join(map(bytes, palette))) if kind == 3 else b""
    if keyed:
        transparency = bytes(opacities) if kind == 3 else struct.pack(f">{len(key)}H", *key)
        extra += chunk(b"tRNS", transparency)
    content = apng_file(width, height, bits, kind, frames, extra=extra, hidden=hidden, pieces=rng.randint(1, 3))
    return content, list(composed(width, height, parts, full)), full
