"""`cnncli animate`: a window that slides over numbers, as a moving picture."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.cli import options
from cnncli.cli.completion import complete_filters
from cnncli.cli.networks import options as of_layers
from cnncli.cli.options import TakesNumbers, choice, fields_of, parse_number, parsed
from cnncli.drawing.svg.theme import Theme
from cnncli.errors import ArgumentError
from cnncli.files.temporary import check_output
from cnncli.files.text import json_text, printable

if TYPE_CHECKING:
    from cnncli.animations.frames import Animation
    from cnncli.animations.inputs import Crop

EXAMPLES = """Examples:

cnncli animate edge '2 0 1; 1 0 0; 0 1 1' -f vertical -o edge.svg

cnncli animate pool samples/checker.txt -f 2 -s 2 -o pool.gif

cnncli animate shape -n 5 -f 3 -p 1 -s 2 -o shape.svg
"""

_EDGE_EXAMPLES = """Examples:

cnncli animate edge '2 0 1; 1 0 0; 0 1 1' -k '1 -1' -p valid -o edge.svg

cnncli animate edge matrix.txt -f sobel -d vertical -p 1 -s 2 -o edge.gif

cnncli animate edge photo.jpg --crop 120,80,12x9 -f vertical -o edge.html

cnncli animate edge photo.jpg --crop 120,80,6x6 -f vertical --color volume -o volume.svg
"""

_POOL_EXAMPLES = """Examples:

cnncli animate pool '1 3 2 1; 2 9 1 1; 1 3 2 3; 5 6 1 2' -o max.svg

cnncli animate pool matrix.txt -f 3 -s 2 -p 1 --mode avg -o average.gif
"""

_SHAPE_EXAMPLES = """Examples:

cnncli animate shape -n 5 -f 3 -p 1 -s 2 -o strided.svg

cnncli animate shape -n 7 -f 3 -d 2 -o dilated.svg

cnncli animate shape -n 3 -f 3 -p 1 -s 2 --transposed --output-padding 1 -o transposed.svg
"""

Color: Any = choice("Color", ("gray", "volume"))

_player = partial(typer.Option, rich_help_panel="Animation")

Input = Annotated[
    str,
    typer.Argument(metavar="INPUT", help="A matrix: typed, rows separated by ;, or a file; or a picture, with --crop."),
]
CropOption = Annotated[
    str | None, typer.Option(metavar="X,Y,WxH", help="Part of the input: its left, top, width and height in pixels.")
]
Output = Annotated[
    str | None, _player("--output", "-o", metavar="FILE", help="File: .svg (moves by itself), .gif or .html.")
]
ThemeOption = Annotated[
    Theme, _player("--theme", help="Colours; auto follows the viewer's setting, and is light for a GIF.")
]
Delay = Annotated[
    str, _player(metavar="SECONDS", callback=parsed(parse_number), help="Time for which each position stays.")
]
Force = Annotated[bool, _player("--force", help="Overwrite an existing file.")]
AsJson = Annotated[bool, _player("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, _player("--quiet", "-q", help="Print errors only.")]


def animate(context: typer.Context) -> None:
    """Show a window sliding over your own numbers: its products and their sum, or the arithmetic of a layer's size.

    An .svg moves by itself, in a browser and as a picture of a web page; a .gif everywhere; an .html is one file that
    works offline, where a mouse, a finger or the arrow keys choose the position.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def edge(
    source: Input,
    output: Output = None,
    filter_name: Annotated[
        str | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="WORD",
            autocompletion=complete_filters,
            help="Filter with a kernel, such as vertical or sobel; cnncli filters lists them. Default: sobel.",
        ),
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel", "-k", metavar="K", help="Kernel of your own: text ('1 0 -1; 1 0 -1') or a file, as in edge."
        ),
    ] = None,
    direction: Annotated[
        options.Direction | None, typer.Option("--direction", "-d", help="Direction, for filters with two kernels.")
    ] = None,
    padding: options.PaddingOption = "same",
    padding_mode: Annotated[
        options.PaddingMode | None,
        typer.Option(help="How cells beyond the border are filled. Default: zeros for a matrix as text, else reflect."),
    ] = None,
    stride: options.StrideOption = "1",
    dilation: options.DilationOption = "1",
    flip: options.FlipOption = False,
    color: Annotated[
        Color | None,
        typer.Option(
            help="gray (luma), or volume (each channel, and the sum over them). Default: volume for kernels with "
            "channels, otherwise gray."
        ),
    ] = None,
    on: options.OnOption = None,
    bias: options.BiasOption = "0",
    activation: options.ActivationOption = None,
    crop: CropOption = None,
    theme: ThemeOption = Theme.AUTO,
    delay: Delay = "1",
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Animate a filter: the window over the input, the kernel, the products, their sum, and the output so far.

    The numbers are those of `edge`, and of its --explain at every position.
    """
    given = locals()
    show = _Player(source, given)
    from cnncli.animations.filtering import animate_chain
    from cnncli.animations.inputs import read_small
    from cnncli.filters.chains import load_chains
    from cnncli.filters.operators.filtering import Filtering

    filtering = Filtering(**fields_of(Filtering, given))
    chains = load_chains([] if filter_name is None else [filter_name], kernel, direction)
    if len(chains) > 1:
        raise ArgumentError("an animation shows one filter: give either --filter or --kernel, and one of a bank's")
    small = read_small(source, gray=(filtering.color or chains[0].color) != "volume", crop=show.crop())
    if small.typed and filtering.padding_mode is None:
        filtering = filtering.replace(padding_mode="zeros")
    show(animate_chain(small.pixels, chains[0], filtering, direction))


def pool(
    source: Input,
    output: Output = None,
    kernel_size: options.WindowOption = None,
    stride: options.WindowStrideOption = None,
    padding: options.PaddingOption = "0",
    mode: options.PoolingModeOption = "max",
    ceil_mode: options.CeilOption = False,
    crop: CropOption = None,
    theme: ThemeOption = Theme.AUTO,
    delay: Delay = "1",
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Animate pooling: the window over the input, the number that it chooses or the mean, and the output so far.

    A colour picture is shown in grey.
    """
    given = locals() | {"kernel_size": kernel_size or 2}
    show = _Player(source, given)
    from cnncli.animations.inputs import read_small
    from cnncli.animations.pooling import animate_pool
    from cnncli.filters.pools import Pooling

    pooling = Pooling(**fields_of(Pooling, given))
    show(animate_pool(read_small(source, gray=True, crop=show.crop()).pixels, **vars(pooling)))


def shape(
    n: of_layers.InputSize = None,
    kernel_size: of_layers.FilterSize = None,
    output: Output = None,
    padding: of_layers.LayerPadding = None,
    stride: of_layers.LayerStride = None,
    dilation: of_layers.LayerDilation = None,
    ceil: of_layers.LayerCeil = False,
    transposed: of_layers.Transposed = False,
    output_padding: of_layers.OutputPadding = None,
    theme: ThemeOption = Theme.AUTO,
    delay: Delay = "1",
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Animate the arithmetic of a layer's size: where its window stands, and the formula with its numbers.

    A transposed convolution is shown as the convolution that it equals: zeros between the pixels of its input and
    around them, and a stride of 1.
    """
    given = locals()
    show = _Player("", given)
    from cnncli.animations.shapes import animate_shape
    from cnncli.cli.networks.one_layer import OneLayer, Question

    asked = Question(OneLayer(**{name: given[name] for name in OneLayer._fields if name in given}))
    show(animate_shape(asked.sizes, asked.axes))


class _Player:
    """Writes an animation as the options say, and says so."""

    def __init__(self, source: str, given: dict[str, Any]) -> None:
        """Check the options before any work."""
        from cnncli.animations.saving import check_player

        if given["output"] is None:
            raise ArgumentError("no output: give -o FILE.svg, or .gif or .html")
        self.given, self.output = given, str(given["output"])
        check_player(self.output, given["delay"])
        check_output(self.output, force=given["force"], inputs=[source] if source else [])

    def crop(self) -> "Crop | None":
        """Return the part of the input that is asked for."""
        from cnncli.animations.inputs import Crop

        return None if self.given["crop"] is None else Crop.parse(self.given["crop"])

    def __call__(self, animation: "Animation") -> None:
        from cnncli.animations.saving import save_animation
        from cnncli.shapes import show_shape

        given, output, size = self.given, self.output, animation.geometry.output_size
        save_animation(animation, output, theme=given["theme"], delay=given["delay"], replace=given["force"])
        if given["as_json"]:
            facts = {"output": output, "title": animation.title, "positions": len(animation.frames)}
            values = None if animation.frames[0].value is None else animation.output
            print(json_text(facts | {"output_size": size, "values": values, "formula": animation.formula}))
        elif not given["quiet"]:
            count, title = len(animation.frames), printable(f"{output}: {animation.title}")
            print(f"{title}: {count} position{'s' * (count > 1)}, output {show_shape(size)}")


SUBCOMMANDS: dict[Any, dict[str, Any]] = {
    edge: {"epilog": _EDGE_EXAMPLES, "cls": TakesNumbers},
    pool: {"epilog": _POOL_EXAMPLES, "cls": TakesNumbers},
    shape: {"epilog": _SHAPE_EXAMPLES},
}
"""The commands of the group, and what Typer is told of each."""
