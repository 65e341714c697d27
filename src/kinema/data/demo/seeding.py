"""Random numbers of the demo set: one independent stream for each thing that is drawn.

A stream is known by its keys alone, so that a clip comes out the same whether it is rendered first, last or alone.
"""

from __future__ import annotations

import numpy as np

ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
SCENARIOS = ("d1", "d2", "d3", "d4")

BODY, STYLE, CLOTHES, PLACE, MOTION, CAMERA, SENSOR = range(7)


def stream(seed: int, purpose: int, *keys: int) -> np.random.Generator:
    """Return the generator of (seed, purpose, keys); PCG64 gives the same numbers on every machine.

    >>> float(stream(0, BODY, 1).random()) == float(stream(0, BODY, 1).random())
    True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose, *keys])))


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number spread evenly over [low, high)."""
    return low + (high - low) * float(rng.random())


def around(rng: np.random.Generator, mean: float, deviation: float, spread: float = 2.0) -> float:
    """Return a normal number that stays within `spread` deviations of its mean."""
    return mean + deviation * min(spread, max(-spread, float(rng.standard_normal())))
