"""Whether a probability of 0.8 is right eight times in ten, and the temperature that makes it so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from kinema.errors import DataError
from kinema.evaluation.scores import Scores

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True, slots=True)
class Reliability:
    """Items binned by the probability of the predicted class; the bins are `(edges[i], edges[i + 1]]`.

    edges: `(bins + 1,)`; count: `(bins,)`; confidence, accuracy: `(bins,)` means, NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TemperatureFit:
    """The temperature, the log loss (nats an item) at 1 and at it, and a sentence where the fit was held
    back.
    """

    temperature: float
    log_loss_before: float
    log_loss_after: float
    items: int
    note: str = ""


def fit_temperature(valid: Scores) -> TemperatureFit:
    """Find T > 0 that minimises the log loss of softmax(logits / T) on the validation split (Guo et al. 2017,
    section 4.2).

    The loss is convex in 1 / T, so a bounded search over log T from 0.05 to 20 finds the one minimum. When
    every item is right the loss falls without end as T goes to 0, which says nothing about confidence: T is
    then held at 1.

    Raises `DataError` when `valid` is empty.
    """
    if not len(valid):
        raise DataError("there is no validation item to fit the temperature on; give the data a valid split")
    rows, targets = np.arange(len(valid)), valid.targets

    def loss(temperature: float) -> float:
        return float(-valid.log_probabilities(temperature)[rows, targets].mean())

    before = loss(1.0)
    if (valid.predictions == targets).all():
        note = "every validation item is right, so no temperature below 1 can be told from another; kept at 1"
        return TemperatureFit(1.0, before, before, len(valid), note)
    bounds = (np.log(COLDEST), np.log(HOTTEST))
    options = {"xatol": 1e-7}
    found = minimize_scalar(
        lambda x: loss(float(np.exp(x))), bounds=bounds, method="bounded", options=options
    )
    temperature = float(np.exp(found.x))
    note = ""
    if not 1.02 * COLDEST < temperature < HOTTEST / 1.02:
        note = f"no temperature from {COLDEST} to {HOTTEST} fits: the scores say little about the classes"
    return TemperatureFit(temperature, before, loss(temperature), len(valid), note)


def reliability(
    probabilities: NDArray[np.float64], targets: NDArray[np.int64], bins: int = BINS
) -> Reliability:
    """Bin the items of `(N, K)` probabilities by their highest one into equal widths, as a reliability
    diagram shows them.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    edges = np.linspace(0, 1, bins + 1)
    index = _bin(confidence, edges)
    count = np.bincount(index, minlength=bins)
    return Reliability(
        edges, count, _mean(confidence, index, count), _mean(right.astype(np.float64), index, count)
    )


def expected_calibration_error(
    probabilities: NDArray[np.float64], targets: NDArray[np.int64], bins: int = BINS
) -> float:
    """Return ECE: |accuracy - confidence| of each bin, weighted by its share of items (Guo et al. 2017,
    equation 3).
    """
    table = reliability(probabilities, targets, bins)
    gap = np.nan_to_num(np.abs(table.accuracy - table.confidence))
    return float((gap * table.count).sum() / table.count.sum())


def ece_by_chance(
    probabilities: NDArray[np.float64], bins: int = BINS, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the mean and the 95th percentile of the ECE that *perfectly calibrated* probabilities would show
    here.

    ECE is never 0 on a finite sample and grows as items get fewer. Outcomes are drawn with the stated
    confidences (Bröcker and Smith 2007, consistency resampling), items taken as independent. Compare an ECE
    with these, not with 0.
    """
    confidence = probabilities.max(axis=1)
    index = _bin(confidence, np.linspace(0, 1, bins + 1))
    member = np.eye(bins)[index]
    rng = np.random.default_rng(seed)
    values = np.empty(draws)
    # In pieces, so that 100 000 frames do not need 100 000 x 1000 numbers at once.
    step = max(1, 4_000_000 // max(1, len(confidence)))
    for begin in range(0, draws, step):
        size = min(step, draws - begin)
        right = rng.random((size, len(confidence))) < confidence
        values[begin : begin + size] = np.abs((right - confidence) @ member).sum(axis=1) / len(confidence)
    return float(values.mean()), float(np.quantile(values, 0.95))


def brier_score(probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Return the mean squared distance to the one-hot truth, summed over classes: 0 (sure and right) to 2
    (Brier 1950).
    """
    truth = np.zeros_like(probabilities)
    truth[np.arange(len(targets)), targets] = 1
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def _bin(confidence: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(np.digitize(confidence, edges[1:-1], right=True), dtype=np.int64)


def _mean(
    values: NDArray[np.float64], index: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    total = np.bincount(index, weights=values, minlength=len(count))
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
