from .borders import PADDING_MODES as PADDING_MODES
from .convolution.conv2d import conv2d as conv2d
from .convolution.magnitude import gradient_magnitude as gradient_magnitude
from .pooling import avg_pool2d as avg_pool2d
from .pooling import max_pool2d as max_pool2d
from .pooling import min_pool2d as min_pool2d
from .ranks.rank_filter import rank_filter as rank_filter
