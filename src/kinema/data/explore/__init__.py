"""A data set on one page: what it is made of, what is odd about it, and every clip a click away."""

from kinema.data.explore.exploration import Exploration, explore
from kinema.data.explore.facts import ClipFacts
from kinema.data.explore.oddities import Oddity
from kinema.data.explore.remarks import Remark

__all__ = ["ClipFacts", "Exploration", "Oddity", "Remark", "explore"]
