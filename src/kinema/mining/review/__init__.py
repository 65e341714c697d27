"""Review: people look at clips, decide, change their minds and disagree; what they agree on becomes training data."""

from kinema.mining.review.agreement import KINETICS, Outcome, ReviewRules, State, outcome, outcomes
from kinema.mining.review.book import ReviewBook, ReviewFile
from kinema.mining.review.candidate import NOTHING, Candidate
from kinema.mining.review.decision import LONGEST_LABEL, Decision, Verdict, as_meant, last_of, standing
from kinema.mining.review.families import Families, find_families
from kinema.mining.review.manifests import Accepted, accepted_manifest, candidates_of
from kinema.mining.review.noise import ClassReport, ConfusedPair, class_reports, confused_pairs
from kinema.mining.review.queue import Neighbours, next_clips, together, with_pots
from kinema.mining.review.report import ReviewReport
from kinema.mining.review.reviewers import ReviewerReport, reviewer_reports
from kinema.mining.review.session import ReviewProgress, Session, review_progress
from kinema.mining.review.showing import playable

__all__ = [
    "KINETICS",
    "LONGEST_LABEL",
    "NOTHING",
    "Accepted",
    "Candidate",
    "ClassReport",
    "ConfusedPair",
    "Decision",
    "Families",
    "Neighbours",
    "Outcome",
    "ReviewBook",
    "ReviewFile",
    "ReviewProgress",
    "ReviewReport",
    "ReviewRules",
    "ReviewerReport",
    "Session",
    "State",
    "Verdict",
    "accepted_manifest",
    "as_meant",
    "candidates_of",
    "class_reports",
    "confused_pairs",
    "find_families",
    "last_of",
    "next_clips",
    "outcome",
    "outcomes",
    "playable",
    "review_progress",
    "reviewer_reports",
    "standing",
    "together",
    "with_pots",
]
