"""Models: the registry, backbones, temporal heads, and the Recognizer that carries a trained one."""

from kinema.data.clipspec import ClipSpec
from kinema.models.backbones import BUNDLED, FrameBackbone, backbone_statistics
from kinema.models.base import FactorisedModel, VideoModel, windows, with_history
from kinema.models.embedder import Embedder, create_embedder, usable_cores
from kinema.models.frame_mlp import frame_mlp
from kinema.models.heads import TemporalHead, create_head, head_names
from kinema.models.lrcn import lrcn
from kinema.models.motion_moments import motion_moments
from kinema.models.prediction import Job, Prediction, TimelineChunk, video_mean
from kinema.models.recognizer import Recognizer, StreamRow, default_spec
from kinema.models.registry import create_model, model_entry, model_names, register
from kinema.models.threads import one_thread
from kinema.models.timeline import FeatureChunk, embed_jobs

__all__ = [
    "BUNDLED",
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
    "create_embedder",
    "create_head",
    "create_model",
    "default_spec",
    "embed_jobs",
    "frame_mlp",
    "head_names",
    "lrcn",
    "model_entry",
    "model_names",
    "motion_moments",
    "one_thread",
    "register",
    "usable_cores",
    "video_mean",
    "windows",
    "with_history",
]
