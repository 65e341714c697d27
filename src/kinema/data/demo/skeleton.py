"""The body: its proportions, its joints, and the geometry that puts limbs where hands and feet have to be.

Body frame, in metres: x forward, y to the body's left, z up, the ground at z = 0 under the pelvis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.data.demo.seeding import around, between

Array = NDArray[np.float64]

JOINTS = (
    "pelvis", "neck", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_toe", "right_toe",
)  # fmt: skip
JOINT = {name: index for index, name in enumerate(JOINTS)}
SIDES = np.array([1.0, -1.0])  # left, right along y


@dataclass(frozen=True, slots=True)
class Body:
    """One person's measures in metres.

    Segment lengths are the fractions of stature of Drillis & Contini (1966), as printed in Winter, "Biomechanics and
    Motor Control of Human Movement", fig. 4.1, varied by a few per cent from person to person.
    """

    stature: float
    thigh: float
    shank: float
    ankle_height: float
    heel: float  # behind the ankle
    toe: float  # the ball of the foot, before the ankle
    trunk: float  # hip axis to shoulder axis
    neck_to_head: float
    upper_arm: float
    forearm: float
    hand: float
    half_shoulders: float
    half_hips: float
    girth: float  # 1 = average thickness of limbs and trunk

    @property
    def leg(self) -> float:
        """Hip to ankle with a straight knee."""
        return self.thigh + self.shank

    @property
    def hip_height(self) -> float:
        """Height of the hip axis when standing straight."""
        return self.leg + self.ankle_height


def draw_body(rng: np.random.Generator) -> Body:
    """Draw a person: stature 1.56 to 1.92 m, proportions and girth around the average."""
    stature = between(rng, 1.56, 1.92)

    def part(fraction: float, deviation: float = 0.025) -> float:
        return stature * around(rng, fraction, fraction * deviation)

    return Body(
        stature=stature,
        thigh=part(0.245), shank=part(0.246), ankle_height=part(0.039),
        heel=part(0.036), toe=part(0.100),
        trunk=part(0.288), neck_to_head=part(0.112),
        upper_arm=part(0.186), forearm=part(0.146), hand=part(0.075),
        half_shoulders=part(0.112, 0.06), half_hips=part(0.052, 0.05),
        girth=between(rng, 0.85, 1.22),
    )  # fmt: skip


def two_link(root: Array, target: Array, upper: float, lower: float, pole: Array) -> tuple[Array, Array]:
    """Bend a two-bone limb from `root` (..., 3) so that it ends at `target`; return the middle joint and the end.

    The middle joint lies on the side of `pole` (..., 3). A target out of reach is pulled in to a nearly straight limb.
    """
    reach = target - root
    distance = np.sqrt((reach * reach).sum(-1, keepdims=True))
    direction = reach / np.maximum(distance, 1e-9)
    bounded = np.clip(distance, abs(upper - lower) + 0.02, (upper + lower) * 0.998)
    along = (upper * upper - lower * lower + bounded * bounded) / (2 * bounded)
    aside = np.sqrt(np.maximum(upper * upper - along * along, 0.0))
    pole = np.broadcast_to(pole, root.shape)
    normal = pole - (pole * direction).sum(-1, keepdims=True) * direction
    normal = normal / np.maximum(np.sqrt((normal * normal).sum(-1, keepdims=True)), 1e-9)
    return root + along * direction + aside * normal, root + bounded * direction


@dataclass(frozen=True, slots=True)
class Trunk:
    """Where the trunk is at each of N instants; angles in radians, heights and offsets in metres."""

    height: Array  # of the hip axis (N,)
    lean: Array  # forward (N,)
    twist: Array  # of the shoulders about the vertical, left shoulder back positive (N,)
    hip_twist: Array  # of the pelvis (N,)
    sway: Array  # of the pelvis to the left (N,)
    forward: Array  # of the pelvis (N,)
    nod: float = 0.0


def trunk_joints(body: Body, trunk: Trunk) -> dict[str, Array]:
    """Return pelvis, neck and head (N, 3), shoulders and hips (N, 2, 3) with left first."""
    pelvis = np.stack([trunk.forward, trunk.sway, trunk.height], -1)
    up = np.stack([np.sin(trunk.lean), -0.25 * trunk.sway / body.trunk, np.cos(trunk.lean)], -1)
    neck = pelvis + up * body.trunk
    head_lean = trunk.lean * 0.5 + trunk.nod
    skull = np.stack([np.sin(head_lean) + 0.12, np.zeros_like(head_lean), np.cos(head_lean)], -1)
    return {
        "pelvis": pelvis,
        "neck": neck,
        "head": neck + skull * body.neck_to_head,
        "shoulders": neck[:, None] + _crosswise(trunk.twist, body.half_shoulders),
        "hips": pelvis[:, None] + _crosswise(trunk.hip_twist, body.half_hips),
    }


def _crosswise(twist: Array, half: float) -> Array:
    x = -np.sin(twist)[:, None] * SIDES * half
    y = np.cos(twist)[:, None] * SIDES * half
    return np.stack([x, y, np.zeros_like(x)], -1)


def foot_joints(body: Body, ankle: Array, pitch: Array) -> tuple[Array, Array]:
    """Return heel and toe (..., 3) of feet whose soles are turned up at the toe by `pitch` radians."""
    cos, sin = np.cos(pitch), np.sin(pitch)
    sole = ankle + np.stack([sin, np.zeros_like(sin), -cos], -1) * body.ankle_height
    ahead = np.stack([cos, np.zeros_like(cos), sin], -1)
    return sole - ahead * body.heel, sole + ahead * body.toe


def stack_joints(parts: dict[str, Array]) -> Array:
    """Gather named parts, pairs given as (N, 2, 3), into one array (N, J, 3) in the order of `JOINTS`."""
    pairs = ("shoulders", "elbows", "wrists", "hips", "knees", "ankles", "heels", "toes")
    single = [parts[name][:, None] for name in ("pelvis", "neck", "head")]
    return np.concatenate([*single, *(parts[name] for name in pairs)], axis=1)


def smooth(x: Array) -> Array:
    """Rise from 0 to 1 over [0, 1] with level ends."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)
