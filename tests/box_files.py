"""A folder with one picture and two boxes, as each kind of files states them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (20, 30)
GOOD = ("cat", 3, 5, 10, 4)


def picture(path: Path, size=SIZE, seed: int = 0, **options) -> None:
    """Save a picture (height, width) of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path, **options)


def coco(folder: Path, boxes, name: str = "a.png", size=SIZE) -> Path:
    """Write boxes (class, x, y, width, height) as COCO's file."""
    classes = ["cat", "dog"]
    annotations = [
        {"id": number, "image_id": 7, "category_id": 3 + classes.index(label) if label in classes else 99, "bbox": box}
        for number, (label, *box) in enumerate(boxes)
    ]
    content = {
        "images": [{"id": 7, "file_name": name, "height": size[0], "width": size[1]}],
        "categories": [{"id": 3 + place, "name": label} for place, label in enumerate(classes)],
        "annotations": annotations,
    }
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder / "boxes.json"


def voc(folder: Path, boxes, name: str = "a.png", size=SIZE) -> Path:
    """Write boxes as a file of Pascal VOC."""
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + width}</xmax>"
        f"<ymax>{y + height}</ymax></bndbox></object>"
        for label, x, y, width, height in boxes
    )
    stated = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>"
    (folder / "a.xml").write_text(f"<annotation><filename>{name}</filename>{stated}{objects}</annotation>")
    return folder / "a.xml"


def table(folder: Path, boxes, name: str = "a.png", size=SIZE) -> Path:
    """Write boxes as CSV."""
    rows = "".join(",".join(map(str, (name, *box))) + "\n" for box in boxes)
    (folder / "boxes.csv").write_text(f"file,class,x,y,width,height\n{rows or name + ',,,,,'}")
    return folder / "boxes.csv"


def yolo(folder: Path, boxes, name: str = "a.png", size=SIZE) -> Path:
    """Write boxes as YOLO's file, with the names of classes beside it."""
    height, width = size
    lines = "".join(
        f"{['cat', 'dog'].index(label) if label in ('cat', 'dog') else 9} {(x + w / 2) / width} {(y + h / 2) / height} "
        f"{w / width} {h / height}\n"
        for label, x, y, w, h in boxes
    )
    (folder / "a.txt").write_text(lines)
    (folder / "classes.txt").write_text("cat\ndog\n")
    return folder / "a.txt"


WRITERS = {"coco": coco, "voc": voc, "csv": table, "yolo": yolo}
