"""Folders of pictures of spots with boxes, as Pascal VOC has them."""

from finders import save_spots

_OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def write_spots(folder, pictures, *, labelled=None):
    """Write pictures of spots (colour, level, x, y, width, height), labelled as they are or otherwise."""
    for name in ("JPEGImages", "Annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (spots, boxes) in enumerate(zip(pictures, labelled or pictures, strict=True)):
        save_spots(folder / "JPEGImages" / f"{number}.png", *spots)
        objects = "".join(
            _OBJECT.format(color, x + 1, y + 1, x + width, y + height) for color, _, x, y, width, height in boxes
        )
        text = f"<annotation><filename>{number}.png</filename>{objects}</annotation>"
        (folder / "Annotations" / f"{number}.xml").write_text(text)
    return folder
