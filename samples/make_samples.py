"""Draw the sample files beside this script. The same pixels come out on every run.

Needs only NumPy and Pillow: python samples/make_samples.py
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
SCALE = 4  # drawn four times as large, then reduced: smooth edges

STEP = [[10, 10, 10, 0, 0, 0]] * 6
MIRRORED = [[0, 0, 0, 10, 10, 10]] * 6
CHECKER = STEP[:3] + MIRRORED[:3]
SOBEL = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]


def scene(width=480, height=320):
    """A house before hills under an evening sky: slanted, straight and curved edges."""
    down = np.linspace(0, 1, height * SCALE)[:, np.newaxis, np.newaxis]
    sky = (1 - down) * np.array([70, 120, 190]) + down * np.array([255, 214, 170])
    image = Image.fromarray(np.broadcast_to(sky, (height * SCALE, width * SCALE, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)

    def scaled(*points):
        return [(x * SCALE, y * SCALE) for x, y in points]

    def hills(base, swell, length, shift, colour):
        across = np.arange(0, width + 1, 2)
        tops = base - swell * np.sin((across + shift) / length)
        draw.polygon(scaled(*zip(across, tops, strict=True), (width, height), (0, height)), fill=colour)

    draw.ellipse(scaled((340, 50), (410, 120)), fill=(255, 240, 190))
    hills(205, 28, 62, 20, (112, 138, 150))
    hills(238, 20, 48, 150, (84, 122, 98))
    hills(276, 9, 90, 40, (66, 98, 62))
    draw.rectangle(scaled((150, 186), (262, 272)), fill=(222, 205, 178))
    draw.polygon(scaled((136, 190), (206, 132), (276, 190)), fill=(158, 62, 48))
    draw.rectangle(scaled((236, 140), (250, 178)), fill=(120, 70, 58))
    draw.rectangle(scaled((194, 222), (218, 272)), fill=(94, 60, 40))
    for left in (162, 228):
        draw.rectangle(scaled((left, 206), (left + 22, 228)), fill=(252, 232, 150))
        draw.line(scaled((left + 11, 206), (left + 11, 228)), fill=(94, 60, 40), width=2 * SCALE)
    draw.polygon(scaled((190, 320), (198, 272), (214, 272), (246, 320)), fill=(190, 168, 128))
    for x, y, radius in ((78, 236, 30), (60, 252, 22), (100, 252, 24)):
        draw.ellipse(scaled((x - radius, y - radius), (x + radius, y + radius)), fill=(44, 84, 52))
    draw.rectangle(scaled((75, 256), (83, 290)), fill=(84, 58, 42))
    return image.resize((width, height), Image.Resampling.BOX)


def strokes(size=256, count=3600):
    """Brush strokes that follow a whirl, in the colours of a night: a style."""
    rng = np.random.default_rng(1889)
    palette = [(22, 38, 92), (38, 74, 150), (84, 132, 190), (160, 190, 206), (236, 200, 90), (250, 232, 160)]
    image = Image.new("RGB", (size * SCALE, size * SCALE), palette[0])
    draw = ImageDraw.Draw(image)
    for x, y in rng.uniform(0, size, (count, 2)):
        swirl = np.sin(x / 27) + np.cos(y / 31) + 0.7 * np.sin((x + y) / 45)
        along = np.array([np.cos(1.7 * swirl), np.sin(1.7 * swirl)]) * rng.uniform(5, 11)
        shade = np.clip(2.2 + 1.5 * swirl + rng.normal(0, 0.6), 0, 5)
        ends = [tuple((np.array([x, y]) + side * along) * SCALE) for side in (-1, 1)]
        colour = tuple(np.clip(np.array(palette[int(shade)]) + rng.integers(-14, 15), 0, 255).tolist())
        draw.line(ends, fill=colour, width=int(rng.uniform(2, 4) * SCALE))
    return image.resize((size, size), Image.Resampling.BOX)


def exif():
    """What a camera notes, small: maker, model, date, and that the picture is upright."""
    block = Image.Exif()
    block[0x010F], block[0x0110], block[0x0112] = "cnncli", "make_samples.py", 1
    block[0x0132] = "2024:06:21 21:30:00"
    return block


def spinner(size=48, frames=8):
    """A hand that turns once, in grey."""
    centre, images = size * SCALE / 2, []
    for angle in np.arange(frames) * 2 * np.pi / frames:
        image = Image.new("L", (size * SCALE, size * SCALE), 24)
        draw = ImageDraw.Draw(image)
        draw.ellipse((4 * SCALE, 4 * SCALE, (size - 4) * SCALE, (size - 4) * SCALE), outline=96, width=2 * SCALE)
        tip = (centre + np.sin(angle) * centre * 0.7, centre - np.cos(angle) * centre * 0.7)
        draw.line([(centre, centre), tip], fill=240, width=4 * SCALE)
        images.append(image.resize((size, size), Image.Resampling.BOX))
    return images


def disc(size=96):
    """An orange disc; bright stripes of colour hide under its transparent corners."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    pixels = np.empty((size, size, 4), np.uint8)
    pixels[..., :3] = np.where((np.arange(size) // 6 % 2)[:, np.newaxis, np.newaxis], (255, 0, 255), (0, 255, 0))
    opacity = np.clip(size * 0.42 - np.hypot(x, y) + 0.5, 0, 1)
    pixels[opacity > 0, :3] = (240, 150, 40)
    pixels[..., 3] = np.rint(opacity * 255)
    return Image.fromarray(pixels)


def ramp16(width=256, height=128):
    """A 16-bit slope that 8 bits would turn into steps."""
    y, x = np.mgrid[:height, :width]
    return (20000 + 40 * x + 25 * y).astype(np.uint16)


def colour16(width=48, height=32):
    """16-bit colours whose low bytes differ everywhere."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 1361 % 65536, y * 2003 % 65536, (x * 257 + y * 769) % 65536], axis=2).astype(np.uint16)


def write_png16(path, pixels):
    """Write 16-bit samples, grey or RGB; Pillow writes 16-bit grey alone."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    data = zlib.compress(np.insert(rows, 0, 0, axis=1).tobytes(), 9)
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def write_text(path, rows, comment):
    lines = "\n".join(" ".join(f"{number:2}" for number in row) for row in rows)
    path.write_text(f"# {comment}\n{lines}\n")


def main(folder=HERE):
    """Write every sample into the folder."""
    scene().save(folder / "scene.png", optimize=True)
    scene().save(folder / "scene.jpg", quality=88, exif=exif())
    write_text(folder / "step.txt", STEP, "bright to the left, dark to the right")
    write_text(folder / "mirrored.txt", MIRRORED, "dark to the left, bright to the right")
    write_text(folder / "checker.txt", CHECKER, "both steps, one above the other")
    write_text(folder / "sobel.txt", SOBEL, "Sobel's filter for vertical edges; bright to dark is positive")
    Image.fromarray(np.array(STEP, np.uint8)).save(folder / "step.png")
    Image.fromarray(np.array(CHECKER, np.uint8)).save(folder / "checker.png")
    np.save(folder / "volume.npy", np.stack([STEP, MIRRORED, CHECKER], axis=2).astype(np.int64))
    write_png16(folder / "ramp16.png", ramp16())
    write_png16(folder / "colour16.png", colour16())
    first, *others = spinner()
    first.save(folder / "spinner.gif", save_all=True, append_images=others, duration=80, loop=0, optimize=False)
    disc().save(folder / "disc.png", optimize=True)
    strokes().save(folder / "strokes.jpg", quality=86)


if __name__ == "__main__":
    main()
