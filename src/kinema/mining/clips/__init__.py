"""Candidate clips: the stretches of long videos in which a recognizer, or a text, finds an action."""

from kinema.mining.clips.curve import ScoreCurve, Shot
from kinema.mining.clips.cutting import WrittenClip, write_clip
from kinema.mining.clips.mine import mine_clips
from kinema.mining.clips.results import MANIFEST, Mined, MinedVideo
from kinema.mining.clips.scorers import Scorer, check_names, load_scorer, recognizer_scorer
from kinema.mining.clips.scoring import Unscored, score_videos
from kinema.mining.clips.selection import CandidateClip, ClipRules, Selection, select_clips
from kinema.mining.clips.shots import CutFinder, CutRule
from kinema.mining.clips.store import ScoreStore

__all__ = [
    "MANIFEST",
    "CandidateClip",
    "ClipRules",
    "CutFinder",
    "CutRule",
    "Mined",
    "MinedVideo",
    "ScoreCurve",
    "ScoreStore",
    "Scorer",
    "Selection",
    "Shot",
    "Unscored",
    "WrittenClip",
    "check_names",
    "load_scorer",
    "mine_clips",
    "recognizer_scorer",
    "score_videos",
    "select_clips",
    "write_clip",
]
