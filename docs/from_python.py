"""The page on Python: a table of functions for each command, and examples with their output."""

from console import python

FUNCTIONS = {
    "edge": ("filter_image", "edge_picture", "explain", "filter_statistics"),
    "pool": ("pool_image", "explain_pooling"),
    "filters": ("filter_kernel",),
    "shape": ("output_size", "inputs_for", "settings_for", "keeping_padding", "summarize_network", "load_network"),
    "params": ("summarize_network", "compare_networks", "count_as"),
    "animate": ("animate_filter", "animate_pool", "animate_shape", "save_animation"),
    "draw": ("draw_network", "save_drawing"),
    "forward": ("forward", "explain_activation"),
    "train": ("train", "open_dataset", "open_boxes", "find_learning_rate", "batch_sheet", "explain_step"),
    "experiment": ("compare_optimizers", "compare_depths"),
    "predict": ("predict_files", "sort_files", "load_model"),
    "detect": ("find_boxes", "detect_files", "harvest_files"),
    "why": ("explain_class",),
    "dream": ("dream",),
    "evaluate": ("evaluate", "evaluate_boxes", "judge_boxes", "write_report"),
    "export": ("export_onnx", "export_weights"),
    "learn": ("learn_kernel",),
    "style": ("transfer_style",),
    "boxes": ("iou", "nms", "convert_boxes"),
}
"""For each command, the functions that do the same in Python."""

IMAGES = """
import cnncli

image = cnncli.read_image("scene.png", gray=True)
response = cnncli.filter_image(image, "sobel", direction="vertical")  # exact, signed
picture = cnncli.edge_picture(image, "sobel")                         # 8 bits, for looking at
cnncli.write_image("magnitude.png", picture)
print(response.dtype, response.shape, response.min(), response.max())
print(cnncli.pool_image(image, 8, mode="avg").shape)
print(cnncli.explain([[10, 10, 0, 0]] * 3, "vertical", 1, 1).values)
print(cnncli.conv2d([[10, 10, 10, 0, 0, 0]] * 6, [[1, 0, -1]] * 3)[0])
"""

NETWORKS = """
import cnncli

print(cnncli.output_size(39, 3), cnncli.summarize_network("vgg16").totals.params)
print(list(cnncli.inputs_for(7, cnncli.Axis(3, stride=2))))
network = cnncli.load_network("32x32x3 conv5-6,relu max2 fc-10")
print(network.output_shape, network.param_shapes()["0.conv.weight"])
"""

BOXES = """
import cnncli

boxes = [[10, 10, 30, 30], [12, 10, 30, 30], [60, 20, 25, 40]]  # x, y, width, height
print(cnncli.iou(boxes[:1], boxes).round(3))
print(cnncli.nms(boxes, [0.7, 0.9, 0.8], threshold=0.5))
print(cnncli.Boxes.of(boxes, [0, 0, 1]).areas)

canvases = cnncli.open_boxes("canvases")  # pictures with boxes: COCO, Pascal VOC, YOLO or CSV
print(canvases.train, canvases.train.boxes[0].places.shape)
print(cnncli.convert_boxes("canvases", "from_python", "csv").files)
"""

MODELS = """
import cnncli

digits = cnncli.open_dataset("digits").train
run = cnncli.train(digits, network="fc-10,softmax", epochs=2, output="runs/linear", force=True)
model = cnncli.load_model("runs/digits")
named = cnncli.load_model("runs/digits", told=cnncli.Told(classes=["zero", *"123456789"]))
print(named.class_names[0])
print(digits, len(run.metrics), model.class_names[model.predict("digits/7/00.png")])
print(cnncli.evaluate(model, "digits").scores.confusion.shape)
for prediction in cnncli.predict_files(model, ["digits/3/01.png", "missing.png"]):
    print(prediction.error or prediction.top()[0][0])
print(cnncli.export_onnx(model, "digits.onnx", force=True).difference < 1e-4)

image = cnncli.read_image("scene.png", gray=True)
target = cnncli.filter_image(image, "sobel", direction="vertical")
print(cnncli.learn_kernel(image, target).kernel.tolist())
styled = cnncli.transfer_style("scene.jpg", "strokes.jpg", cnncli.StyleOptions(size=48, steps=5))
print(styled.picture.shape, [cost.kind for cost in styled.ends])
"""


def table() -> str:
    """Return the table of commands and functions."""
    rows = [f"| `{command}` | {', '.join(f'`{name}`' for name in names)} |" for command, names in FUNCTIONS.items()]
    return "\n".join(["| command | in Python |", "|---|---|", *rows])


def examples() -> str:
    """Return the examples with their output."""
    parts = {"Images and filters": IMAGES, "Networks": NETWORKS, "Boxes": BOXES, "Training and prediction": MODELS}
    return "\n\n".join(f"## {title}\n\n{python(code)}" for title, code in parts.items())
