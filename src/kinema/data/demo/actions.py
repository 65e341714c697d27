"""The three actions on the spot (boxing, handwaving, handclapping) and standing still between actions.

Rates are those of the KTH recordings, counted by eye: about two punches, one wave and one to two claps a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kinema.data.demo.gait import DEGREE
from kinema.data.demo.seeding import around, between
from kinema.data.demo.skeleton import (
    SIDES,
    Array,
    Body,
    Trunk,
    foot_joints,
    stack_joints,
    trunk_joints,
    two_link,
)

Pose = Callable[[Array], Array]  # times (N,) in seconds -> joints (N, J, 3) in the body frame

_DOWN = np.stack([np.array([-0.2, side * 0.35, -1.0]) for side in SIDES])
_DOWN_OUT = np.stack([np.array([-0.35, side * 0.9, -1.0]) for side in SIDES])


@dataclass(frozen=True, slots=True)
class Cycle:
    """A repeated movement: `rate` a second, with the small unsteadiness of people."""

    rate: float
    phase: float
    drift: float
    drift_rate: float

    def turns(self, time: Array) -> Array:
        """How many repeats have passed."""
        return (
            self.rate * time
            + self.phase
            + self.drift * np.sin(2 * np.pi * self.drift_rate * time + self.phase)
        )


def draw_cycle(rng: np.random.Generator, low: float, high: float) -> Cycle:
    """Draw a cycle with a rate between `low` and `high` a second."""
    return Cycle(
        between(rng, low, high), float(rng.random()), between(rng, 0.0, 0.08), between(rng, 0.15, 0.4)
    )


def boxing(body: Body, style: np.random.Generator, motion: np.random.Generator) -> Pose:
    """Punches from a guard, mostly left and right in turn, 1.4 to 2.4 a second; the trunk turns into each."""
    rate = between(style, 1.4, 2.4)
    length = min(between(style, 0.36, 0.5), 0.95 / rate)
    guard_height, guard_ahead = around(style, 0.80, 0.02), around(style, 0.15, 0.02)
    reach, aim = between(style, 0.32, 0.36), around(style, 0.81, 0.025)
    turn, bob, stagger = (
        between(style, 14, 30) * DEGREE,
        between(style, 0.003, 0.016),
        between(style, 0.10, 0.20),
    )
    lean, doubles, lead = around(style, 5, 2) * DEGREE, between(style, 0.0, 0.22), style.choice([-1.0, 1.0])
    starts, sides, heights = _punches(motion, rate, doubles, aim)

    def pose(time: Array) -> Array:
        out = np.zeros((len(time), 2))
        goal = np.full((len(time), 2), aim)
        for start, side, height in zip(starts, sides, heights, strict=True):
            part = (time - start) / length
            going = (part > 0) & (part < 1)
            extension = np.sin(np.pi * np.clip(part, 0, 1) ** 0.85) ** 1.5
            out[:, side] = np.where(going, extension, out[:, side])
            goal[:, side] = np.where(going, height, goal[:, side])
        twist = turn * (out[:, 0] * -1 + out[:, 1]) - 0.30 * lead
        rock = np.sin(2 * np.pi * rate * 0.5 * time)
        trunk = _standing_trunk(
            body, time, drop=0.035 + bob * np.sin(2 * np.pi * rate * time), lean=lean + 0.05 * out.sum(1),
            twist=twist, sway=0.012 * rock, forward=0.03 * out.sum(1) + 0.01 * rock, hip_twist=0.3 * twist,
        )  # fmt: skip
        parts = trunk_joints(body, trunk)
        h = body.stature
        guard = np.stack(
            [np.full_like(out, guard_ahead * h), SIDES * 0.055 * h + 0 * out, guard_height * h + 0 * out], -1
        )
        target = np.stack([parts["shoulders"][..., 0] + reach * h, SIDES * 0.015 * h + 0 * out, goal * h], -1)
        guard[..., 0] += parts["neck"][:, None, 0]
        hands = guard + out[..., None] * (target - guard)
        parts["elbows"], parts["wrists"] = two_link(
            parts["shoulders"], hands, body.upper_arm, body.forearm, _DOWN_OUT
        )
        spread = np.array([[lead * stagger, 0.085 * h], [-lead * stagger, -0.085 * h]])
        return _on_feet(body, parts, spread, np.array([0.15, 0.6]))

    return pose


def _punches(
    rng: np.random.Generator, rate: float, doubles: float, aim: float
) -> tuple[list[float], list[int], list[float]]:
    starts, sides, heights = [], [], []
    start, side = between(rng, -1.0 / rate, 0.0) - 1.0, int(rng.integers(2))
    while start < 30.0:
        starts.append(start)
        sides.append(side)
        heights.append(aim + (0.03 if rng.random() < 0.8 else -0.09) * float(rng.random()))
        side = side if rng.random() < doubles else 1 - side
        start += between(rng, 0.93, 1.1) / rate
    return starts, sides, heights


def handwaving(body: Body, style: np.random.Generator, motion: np.random.Generator) -> Pose:
    """Both arms sweep sideways from low to overhead and back, 0.6 to 1.1 times a second."""
    cycle = draw_cycle(motion, *_narrow(style, 0.62, 1.1))
    low, high = between(style, 25, 70) * DEGREE, between(style, 148, 172) * DEGREE
    bend, late, ahead = between(style, 4, 26) * DEGREE, around(style, 0.0, 0.035), between(style, 0.02, 0.2)
    follow = between(style, 0.0, 10) * DEGREE

    def pose(time: Array) -> Array:
        turns = cycle.turns(time)[:, None] + late * np.array([0.0, 1.0])
        raised = (1 - np.cos(2 * np.pi * turns)) / 2
        upper = low + (high - low) * raised
        lower = upper + bend - follow * np.sin(2 * np.pi * turns)
        trunk = _standing_trunk(body, time, drop=0.008 - 0.006 * raised.mean(1))
        parts = trunk_joints(body, trunk)
        parts["shoulders"][..., 2] += 0.03 * body.stature * raised
        parts["elbows"] = parts["shoulders"] + body.upper_arm * _frontal(upper, ahead)
        parts["wrists"] = parts["elbows"] + body.forearm * _frontal(lower, ahead + 0.08)
        return _on_feet(body, parts, _square(body), np.array([0.25, 0.25]))

    return pose


def handclapping(body: Body, style: np.random.Generator, motion: np.random.Generator) -> Pose:
    """The hands meet in front of the chest, 1.2 to 2.2 times a second."""
    cycle = draw_cycle(motion, *_narrow(style, 1.2, 2.2))
    wide = min(between(style, 0.23, 0.30), 0.50 / cycle.rate)
    ahead, high = between(style, 0.24, 0.31), between(style, 0.65, 0.72)
    rise, soft = between(style, -0.02, 0.04), between(style, 0.6, 1.0)

    def pose(time: Array) -> Array:
        turns = cycle.turns(time)
        open_ = ((1 - np.cos(2 * np.pi * turns)) / 2) ** soft
        trunk = _standing_trunk(body, time, drop=0.010 + 0.004 * open_)
        parts = trunk_joints(body, trunk)
        h = body.stature
        y = SIDES * (0.014 * h + wide * h * open_[:, None])
        x = ahead * h - 0.05 * h * open_[:, None] ** 2 + 0 * y
        parts["elbows"], parts["wrists"] = two_link(
            parts["shoulders"], np.stack([x, y, (high + rise * open_[:, None]) * h + 0 * y], -1),
            body.upper_arm, body.forearm, _DOWN,
        )  # fmt: skip
        return _on_feet(body, parts, _square(body), np.array([0.25, 0.25]))

    return pose


def standing(body: Body, style: np.random.Generator, motion: np.random.Generator) -> Pose:
    """Arms hanging, breathing and swaying a little: no action."""
    bend, out = between(style, 8, 20) * DEGREE, between(style, 6, 12) * DEGREE
    phase = between(motion, 0, 6)

    def pose(time: Array) -> Array:
        trunk = _standing_trunk(body, time + phase, drop=0.006 + 0 * time)
        parts = trunk_joints(body, trunk)
        angle = np.full((len(time), 2), out) + 0.02 * np.sin(1.3 * time + phase)[:, None]
        parts["elbows"] = parts["shoulders"] + body.upper_arm * _frontal(angle, 0.0)
        parts["wrists"] = parts["elbows"] + body.forearm * _frontal(angle * 0.3, bend)
        return _on_feet(body, parts, _square(body), np.array([0.25, 0.25]))

    return pose


ON_THE_SPOT = {"boxing": boxing, "handwaving": handwaving, "handclapping": handclapping, "standing": standing}


def _narrow(rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    """One person's part of a range of rates."""
    middle = between(rng, low, high)
    return max(low, middle * 0.95), min(high, middle * 1.05)


def _standing_trunk(
    body: Body,
    time: Array,
    drop: Array,
    lean: Array | float = 0.01,
    twist: Array | float = 0.0,
    hip_twist: Array | float = 0.0,
    sway: Array | None = None,
    forward: Array | float = 0.0,
) -> Trunk:
    """A trunk over standing feet, `drop` of a leg's length below its full height."""
    zero = np.zeros_like(time)
    return Trunk(
        height=body.hip_height - drop * body.leg,
        lean=zero + lean,
        twist=zero + twist,
        hip_twist=zero + hip_twist,
        sway=0.006 * np.sin(1.7 * time) if sway is None else sway,
        forward=zero + forward,
    )


def _square(body: Body) -> Array:
    return np.array([[0.0, 0.075 * body.stature], [0.0, -0.075 * body.stature]])


def _on_feet(body: Body, parts: dict[str, Array], spread: Array, turned: Array) -> Array:
    """Add legs on flat feet at `spread` (2, 2) metres, toes turned out by `turned` (2,) radians."""
    count = len(parts["pelvis"])
    ankles = np.concatenate([spread, np.full((2, 1), body.ankle_height)], 1)
    ankles = np.broadcast_to(ankles, (count, 2, 3))
    parts["knees"], parts["ankles"] = two_link(
        parts["hips"], ankles, body.thigh, body.shank, np.array([[1.0, 0.25, 0.1], [1.0, -0.25, 0.1]])
    )
    heels, toes = foot_joints(body, parts["ankles"], np.zeros((count, 2)))
    reach = toes - parts["ankles"]
    cos, sin = np.cos(turned), np.sin(turned) * SIDES
    parts["heels"] = heels
    parts["toes"] = parts["ankles"] + np.stack([reach[..., 0] * cos, reach[..., 0] * sin, reach[..., 2]], -1)
    return stack_joints(parts)


def _frontal(angle: Array, ahead: float) -> Array:
    """Directions (N, 2, 3) of arms raised sideways by `angle` from hanging, leaning forward by `ahead` radians."""
    flat = np.cos(ahead)
    return np.stack([np.sin(ahead) + 0 * angle, np.sin(angle) * SIDES * flat, -np.cos(angle) * flat], -1)
