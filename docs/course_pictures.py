"""Commands that make the pictures of the course, and the pictures as Markdown with their commands."""

COURSE = {
    "edge.svg": "animate edge course/six.txt -f vertical -p valid",
    "signs.svg": "animate edge checker.txt -f horizontal -p valid",
    "padding.svg": "animate edge course/six.txt -f vertical -p same --crop 0,0,4x4",
    "stride.svg": "animate edge course/seven.txt -k course/seven-kernel.txt -p valid -s 2",
    "volume.svg": "animate edge volume.npy --color volume -f vertical -p valid --crop 0,0,5x5",
    "pool.svg": "animate pool course/pool4.txt -f 2 -s 2",
    "sliding.svg": "animate shape -n 12 -f 4 -s 4",
    "transposed.svg": "animate shape -n 2 -f 3 -p 1 -s 2 --transposed",
    "connected.svg": "draw 64x64x3 fc-100 --width 450",
    "kernel.png": "filters sobel -d vertical",
    "several.svg": "draw 6x6x3 conv3-2 --width 450",
    "layer.svg": "draw 6x6x3 conv3-10,relu --width 450",
    "notation.svg": "draw course-39 --style table --width 700",
    "simple.svg": "draw course-39 --width 800",
    "lenet.svg": "draw lenet-course --width 800",
    "sharing.svg": "draw 32x32x3 conv5-6 --receptive-field 0.conv:10,10 --width 500",
    "vgg.svg": "draw vgg16 --width 900",
    "residual.svg": "draw 56x56x64 'res[ conv3-64,same,relu conv3-64,same ]' --style boxes --width 800",
    "one.svg": "draw 28x28x192 conv1-32,relu --width 500",
    "bottleneck.svg": "draw bottleneck --width 650",
    "inception.svg": "draw 28x28x192 'cat[ conv1-64 | conv1-96 conv3-128,same | conv1-16 conv5-32,same"
    " | max3,s1,same conv1-32 ]' --style boxes --width 800",
    "localization.svg": "draw 100x100x3 conv5-16,s2,relu conv5-32,s2,relu fc-8 --width 800",
    "landmarks.svg": "draw 128x128x3 conv5-16,s2,relu conv5-32,s2,relu fc-129 --width 800",
    "windows.svg": "draw 16x16x3 conv5-16,relu max2 conv5-400,relu conv1-400,relu conv1-4,softmax"
    " --receptive-field 4.conv:1,1 --width 800",
    "grid.svg": "draw 96x96x3 conv3-16,same,relu max4 conv3-32,same,relu max8 conv1-8 --receptive-field 4.conv:1,1"
    " --width 800",
    "anchors.svg": "draw 96x96x3 conv3-16,same,relu max4 conv3-32,same,relu max8 conv1-16 --width 800",
    "unet.svg": "draw 8x8x1 'conv3-4,same,relu cat[ | max2 conv3-8,same,relu tconv2-4,s2 ] conv1-2' --style boxes"
    " --width 1000",
    "field.svg": "draw 224x224x3 conv3-64,same conv3-64,same max2 conv3-128,same --receptive-field 3.conv:50,50"
    " --width 800",
    "all-found.png": "detect runs/canvases canvases/val/001.png --threshold 0.3 --nms 1",
    "channels.png": "predict runs/digits digits/7/00.png --features 0.relu",
    "first-layer.png": "dream runs/digits --layer 0.conv",
    "signal.svg": "animate edge course/signal.txt -k course/signal-kernel.txt -p valid",
}
"""What follows `cnncli` to make each picture."""

PICTURES = {f"course/{name}": f"cnncli {words} -o course/{name}" for name, words in COURSE.items()}


def picture(name: str, about: str) -> str:
    """Return a picture of the course with words for those who cannot see it, and the command that makes it."""
    return f"![{about}](pictures/course/{name})\n\n```sh\n{PICTURES[f'course/{name}']}\n```"
