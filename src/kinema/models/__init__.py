"""Models: the registry, backbones, temporal heads, and the Recognizer that carries a trained one."""

from kinema.data.clipspec import ClipSpec
from kinema.models.attentive import AttentiveHead, AttentivePooler
from kinema.models.backbones import BUNDLED, FrameBackbone, backbone_statistics
from kinema.models.base import FactorisedModel, VideoModel, windows, with_history
from kinema.models.c3d import c3d, c3d_small
from kinema.models.clip_model import ClipModel
from kinema.models.clip_network import ClipNetwork
from kinema.models.devices import torch_device
from kinema.models.dinov2_probe import dinov2_probe
from kinema.models.embedder import Embedder, create_embedder
from kinema.models.frame_mlp import frame_mlp
from kinema.models.heads import TemporalHead, create_head, head_names
from kinema.models.limits import require_clip
from kinema.models.lrcn import lrcn
from kinema.models.motion_moments import motion_moments
from kinema.models.movinet import movinet_a0, movinet_a1, movinet_a2
from kinema.models.prediction import Job, Prediction, TimelineChunk, video_mean
from kinema.models.recognizer import Recognizer, StreamRow, default_spec
from kinema.models.registry import create_model, model_entry, model_names, register
from kinema.models.seed import (
    cnn_lstm,
    fstcn,
    image_mlp,
    lrcn_bilstm,
    separable_cnn,
    vgg16_look_back,
    vgg16_lstm,
    video_lrcnn,
    video_mlp_concat,
)
from kinema.models.slowfast import slowfast
from kinema.models.threads import one_thread
from kinema.models.timeline import FeatureChunk, embed_jobs
from kinema.models.torchvision_video import (
    mc3_18,
    mvit_v1_b,
    mvit_v2_s,
    r2plus1d_18,
    r3d_18,
    s3d,
    swin3d_b,
    swin3d_s,
    swin3d_t,
)
from kinema.models.transformers_video import timesformer_base, videomae_base, videomae_small, vjepa2_vitl
from kinema.models.tsm import tsm, tsm_resnet50
from kinema.models.x3d import x3d_m, x3d_s, x3d_xs

__all__ = [
    "BUNDLED",
    "AttentiveHead",
    "AttentivePooler",
    "ClipModel",
    "ClipNetwork",
    "ClipSpec",
    "Embedder",
    "FactorisedModel",
    "FeatureChunk",
    "FrameBackbone",
    "Job",
    "Prediction",
    "Recognizer",
    "StreamRow",
    "TemporalHead",
    "TimelineChunk",
    "VideoModel",
    "backbone_statistics",
    "c3d",
    "c3d_small",
    "cnn_lstm",
    "create_embedder",
    "create_head",
    "create_model",
    "default_spec",
    "dinov2_probe",
    "embed_jobs",
    "frame_mlp",
    "fstcn",
    "head_names",
    "image_mlp",
    "lrcn",
    "lrcn_bilstm",
    "mc3_18",
    "model_entry",
    "model_names",
    "motion_moments",
    "movinet_a0",
    "movinet_a1",
    "movinet_a2",
    "mvit_v1_b",
    "mvit_v2_s",
    "one_thread",
    "r2plus1d_18",
    "r3d_18",
    "register",
    "require_clip",
    "s3d",
    "separable_cnn",
    "slowfast",
    "swin3d_b",
    "swin3d_s",
    "swin3d_t",
    "timesformer_base",
    "torch_device",
    "tsm",
    "tsm_resnet50",
    "vgg16_look_back",
    "vgg16_lstm",
    "video_lrcnn",
    "video_mean",
    "video_mlp_concat",
    "videomae_base",
    "videomae_small",
    "vjepa2_vitl",
    "windows",
    "with_history",
    "x3d_m",
    "x3d_s",
    "x3d_xs",
]
