import pytest

from cnncli.errors import ArgumentError
from cnncli.networks import load_network, parse_network
from cnncli.networks.conventions import CONVENTIONS, Tally, count_as
from cnncli.networks.summary import Row, Summary, Totals

NETWORKS = ["lenet5-1998", "vgg11", "resnet18", "resnet20", "googlenet", "mobilenet-v2", "bottleneck"]
GROUPED = "64x64x3 conv3x1-8 conv3-12,p2,d2,g4 dw3,p1,bn,bias tconv2-6,s2"


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_convention_has_a_tally_a_row_that_adds_up_and_says_why(name, convention):
    summary = load_network(name).summary()
    counted = count_as(summary, convention)
    assert len(counted.rows) == len(summary.rows)
    top = [tally for tally, row in zip(counted.rows, summary.rows, strict=True) if row.depth == 0]
    assert counted.totals.params == sum(tally.params for tally in top)
    assert counted.totals.non_trainable == sum(tally.non_trainable for tally in top)
    assert counted.totals.params - counted.totals.non_trainable == summary.totals.params
    assert all(line and "\n" not in line for line in counted.reasons)


@pytest.mark.parametrize("name", NETWORKS)
def test_torchvision_counts_as_we_do(name):
    summary = load_network(name).summary()
    assert count_as(summary, "torchvision").totals == Tally(summary.totals.params, 0, summary.totals.macs)


@pytest.mark.parametrize(
    ("name", "total", "trainable", "non_trainable"),
    [
        # Keras's own summaries of keras.applications' VGG16, VGG19 and MobileNetV2.
        ("vgg16", 138_357_544, 138_357_544, 0),
        ("vgg19", 143_667_240, 143_667_240, 0),
        ("mobilenet-v2", 3_538_984, 3_504_872, 34_112),
        # A summary that is asked about on Stack Overflow (question 42521005).
        ("64x64x1 fc-512,relu bn drop fc-80,sigmoid", 2_140_752, 2_139_728, 1_024),
        # keras.applications' ResNet50, whose convolutions have biases.
        (
            "224x224x3 conv7-64,s2,p3,bn,bias,relu max3,s2,p1 "
            + " ".join(
                f"res[ conv1-{n},s{s},bn,bias,relu conv3-{n},p1,bn,bias,relu conv1-{4 * n},bn,bias "
                f"| conv1-{4 * n},s{s},bn,bias ] "
                f"{more}xres[ conv1-{n},bn,bias,relu conv3-{n},p1,bn,bias,relu conv1-{4 * n},bn,bias ]"
                for n, s, more in [(64, 1, 2), (128, 2, 3), (256, 2, 5), (512, 2, 2)]
            )
            + " gap fc-1000,softmax",
            25_636_712,
            25_583_592,
            53_120,
        ),
    ],
)
def test_keras_shows_these_totals(name, total, trainable, non_trainable):
    counted = count_as(load_network(name).summary(), "keras")
    assert counted.totals == Tally(total, non_trainable, None)
    assert total - non_trainable == trainable
    assert f"{trainable:,}" in counted.reasons[0]


def test_torchinfo_counts_biases_and_batch_norms_too():
    tally = count_as(parse_network("6x6x3 conv3-10 fc-5").summary(), "torchinfo").totals
    assert tally == Tally(280 + 805, 0, 280 * 16 + 805)
    tally = count_as(parse_network("6x6x3 conv3-10,bn").summary(), "torchinfo").totals
    assert tally.macs == 270 * 16 + 20


def test_the_difference_is_said_in_numbers():
    counted = count_as(parse_network("6x6x3 conv3-10").summary(), "torchinfo")
    assert "160 more than here" in counted.reasons[1]


def test_subsampling_and_fixed_codes_are_no_convolutions():
    tally = count_as(load_network("lenet5-1998").summary(), "torchinfo").totals
    assert tally == Tally(60_000, 0, 156 * 784 + 12 + 1_516 * 100 + 32 + 48_120 + 10_164)
    assert count_as(load_network("lenet5-1998").summary(), "keras").totals == Tally(60_840, 840, None)


@pytest.mark.parametrize("convention", ["torchvision", "torchinfo"])
def test_multiply_adds_are_unknown_where_shapes_are(convention):
    rows = (Row("a", "3x3x3x8 F32", "array", params=216),)
    counted = count_as(Summary("file", "", None, rows, Totals(params=216)), convention)
    assert counted.totals == Tally(216, 0, None)


def test_a_layer_called_again_works_again_without_new_parameters():
    summary = parse_network("6x6x3 conv3-3,same").summary()
    again = summary.rows[0]._replace(name="again", params=0)
    twice = summary._replace(rows=(*summary.rows, again))
    assert count_as(twice, "torchinfo").totals == Tally(84, 0, 2 * 84 * 36)


def test_an_unknown_convention_names_those_there_are():
    with pytest.raises(ArgumentError, match="unknown convention 'caffe': use torchvision, torchinfo, keras"):
        count_as(parse_network("6x6x3 conv3-10").summary(), "caffe")


def _torch_networks():
    torch = pytest.importorskip("torch")
    nn = torch.nn

    def norm_conv(inside, outside, kernel_size, stride=1):
        padding = kernel_size // 2
        return nn.Conv2d(inside, outside, kernel_size, stride, padding, bias=False), nn.BatchNorm2d(outside)

    class Basic(nn.Module):
        def __init__(self, inside, outside, stride):
            super().__init__()
            first, second = norm_conv(inside, outside, 3, stride), norm_conv(outside, outside, 3)
            self.main = nn.Sequential(*first, nn.ReLU(), *second)
            self.shortcut = nn.Sequential(*(norm_conv(inside, outside, 1, stride) if stride > 1 else ()))

        def forward(self, x):
            return torch.relu(self.main(x) + self.shortcut(x))

    def stage(inside, outside, stride):
        return Basic(inside, outside, stride), Basic(outside, outside, 1)

    return {
        "alexnet-torchvision": lambda: nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.AdaptiveAvgPool2d(6), nn.Flatten(),
            nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, 1000),
        ),
        "resnet18": lambda: nn.Sequential(
            *norm_conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
            *stage(64, 64, 1), *stage(64, 128, 2), *stage(128, 256, 2), *stage(256, 512, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000),
        ),
        GROUPED: lambda: nn.Sequential(
            nn.Conv2d(3, 8, (3, 1)), nn.Conv2d(8, 12, 3, 1, 2, dilation=2, groups=4),
            nn.Conv2d(12, 12, 3, 1, 1, groups=12), nn.BatchNorm2d(12), nn.ConvTranspose2d(12, 6, 2, 2),
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["alexnet-torchvision", "resnet18", GROUPED])
def test_torchinfo_itself_agrees(name):
    torch, torchinfo = pytest.importorskip("torch"), pytest.importorskip("torchinfo")
    network, build = load_network(name), _torch_networks()[name]
    height, width, channels = network.input_shape
    with torch.device("meta"):
        theirs = torchinfo.summary(
            build(), input_data=torch.empty(1, channels, height, width), device="meta", verbose=0
        )
    ours = count_as(network.summary(), "torchinfo").totals
    assert (ours.params, ours.macs) == (theirs.total_params, theirs.total_mult_adds)
