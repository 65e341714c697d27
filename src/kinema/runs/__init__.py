"""Run folders, read without loading torch: what each run says of itself, two side by side, old ones cleared away."""

from kinema.runs.comparison import Comparison, compare
from kinema.runs.pruning import prunable_bytes, prune, to_prune
from kinema.runs.records import SORTS, RunRecord, find_runs, read_run, run_rows, run_table, sort_runs
from kinema.runs.unfinished import at_work, held, unfinished_runs

__all__ = [
    "SORTS",
    "Comparison",
    "RunRecord",
    "at_work",
    "compare",
    "find_runs",
    "held",
    "prunable_bytes",
    "prune",
    "read_run",
    "run_rows",
    "run_table",
    "sort_runs",
    "to_prune",
    "unfinished_runs",
]
