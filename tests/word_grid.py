"""Networks around words of the notation that every engine, export and gradient is tried on."""

from cnncli.networks.layers import BLOCKS, LAYERS

WORDS = {
    "gap": ["5x4x3 gap", "6x4x3 gap3x2", "5x7x3 gap3", "2x3x2 gap4", "9x9x2 gap7 fc-2"],
    "gmp": ["5x4x3 gmp", "6x4x3 gmp3x2", "5x7x3 gmp3", "2x3x2 gmp4"],
    "bn": ["5x4x3 bn", "7 bn,eps0.1", "5x4x3 conv3-4,p1,bn,eps0.1,relu", "5x4x3 bn,relu,eps0.1"],
    "ln": [
        "5x4x6 ln",
        "4x4x3 conv3-4,p1,ln,gelu",
        "7 ln",
        "5x4x3 ln,eps0.1",
        "4x4x3 ln,noaffine",
        "4x4x3 conv3-4,ln,eps0.1,gelu",
    ],
    "gn": ["5x4x6 gn3", "4x4x3 conv3-8,p1,gn4,relu", "8 gn2", "5x4x32 gn", "4x4x6 gn1,noaffine"],
    "in": ["5x4x3 in", "5x4x3 in,affine", "6x6x3 conv3-4,p1,in,relu"],
    "scale": ["5x4x3 scale", "5x4x3 conv1-4,scale0.5 relu", "7 scale2"],
    "prelu": ["5x4x3 prelu", "5x4x3 conv3-4,prelu", "5x4x3 prelu,shared", "7 prelu"],
    "up": [
        "4x3x2 up2",
        "4x3x2 up3x1",
        "4x3x2 up2,bilinear",
        "3x4x2 up3x2,bilinear,align_corners",
        "1x2x2 up2,bilinear",
    ],
    "crop": ["7x8x3 crop1", "7x8x3 crop0x2", "7x8x3 crop1x2x0x3"],
    "split": ["5x4x6 split1/2", "5x4x6 split3/3", "8 split2/4", "5x4x6 cat[ split1/2 | split2/2 conv1-5 ]"],
    "shuffle": ["5x4x6 shuffle2", "5x4x6 shuffle3", "6 shuffle2"],
    "s2d": ["4x6x3 s2d", "6x6x2 s2d3"],
    "d2s": ["4x6x8 d2s", "3x2x18 d2s3"],
    "reshape": ["4x3x2 reshape2x6x2", "24 reshape4x3x2", "4x3x2 reshape24", "4x3x2 fc-12 reshape2x2x3 conv1-2"],
    "mul": [
        "5x5x6 mul[ | gap fc-3,relu fc-6,sigmoid ]",
        "5x5x6 mul[ | gap conv1-3,relu conv1-6,hsigmoid ]",
        "5x5x6 mul[ conv1-4 | conv1-1,sigmoid ]",
        "5x5x6 mul[ conv1-1 | gap conv1-4 ]",
        "5x5x6 mul[ split1/2 | split2/2 tanh | conv1-3 ] relu",
        "6 mul[ | fc-6,sigmoid ]",
        "5x5x6 relu mul[ | conv1-6 ] add[ | mul[ | gmp ] ] tanh",
    ],
}


def texts(grid):
    """Return the networks of a grid, and for each word that it lacks one around the layer's own example."""
    words = dict.fromkeys([*LAYERS, *BLOCKS, *grid])
    return [text for op in words for text in grid.get(op) or [f"4x3x5 {LAYERS[op].example()}"]]
