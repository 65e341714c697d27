"""Search: trials of settings on shared features, a page about them, and the chosen settings trained for good."""

from kinema.tuning.report import write_tune_report
from kinema.tuning.space import Choice, Range, Space
from kinema.tuning.trials import Outcome, Workshop, divide
from kinema.tuning.tune import TuneResult, tune

__all__ = [
    "Choice",
    "Outcome",
    "Range",
    "Space",
    "TuneResult",
    "Workshop",
    "divide",
    "tune",
    "write_tune_report",
]
