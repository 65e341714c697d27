"""Teaching: a few short takes of each action in; a recognizer in seconds, and an honest estimate of it, out.

How actions may be called and how many takes they need is told by `kinema.data.takes`.
"""

from kinema.training.teaching.estimate import Answer, Estimate
from kinema.training.teaching.lesson import Take, Taught, teach
from kinema.training.teaching.take_features import TakeFeatures
from kinema.training.teaching.words import Verdict, verdict

__all__ = ["Answer", "Estimate", "Take", "TakeFeatures", "Taught", "Verdict", "teach", "verdict"]
