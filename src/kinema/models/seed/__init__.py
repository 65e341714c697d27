"""The networks of the five systems that kinema follows, each with its original's sizes as defaults.

GFLOPs in their descriptions are multiply-adds of convolutions, linear layers and attention at the default spec, as
`torch.utils.flop_counter` finds them (half of what it calls FLOPs); it leaves out recurrent cells, 1 % at most here.
"""

from kinema.models.seed.cnn_lstm import cnn_lstm
from kinema.models.seed.fstcn import fstcn
from kinema.models.seed.image_mlp import image_mlp
from kinema.models.seed.lrcn_bilstm import lrcn_bilstm
from kinema.models.seed.separable_cnn import separable_cnn
from kinema.models.seed.vgg16_look_back import vgg16_look_back
from kinema.models.seed.vgg16_lstm import vgg16_lstm
from kinema.models.seed.video_lrcnn import video_lrcnn
from kinema.models.seed.video_mlp_concat import video_mlp_concat

__all__ = [
    "cnn_lstm",
    "fstcn",
    "image_mlp",
    "lrcn_bilstm",
    "separable_cnn",
    "vgg16_look_back",
    "vgg16_lstm",
    "video_lrcnn",
    "video_mlp_concat",
]
