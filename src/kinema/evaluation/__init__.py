"""Evaluation: metrics with intervals, calibration, baselines, the report, and predictions on disk."""

from kinema.evaluation.evaluate import evaluate
from kinema.evaluation.predictions import predict_to_folder
from kinema.evaluation.scores import Scores, to_video
from kinema.evaluation.summary import ReportData, SplitScores, summarise

__all__ = ["ReportData", "Scores", "SplitScores", "evaluate", "predict_to_folder", "summarise", "to_video"]
