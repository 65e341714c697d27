"""How people walk, jog and run: feet that roll without sliding, and a body that follows them.

The feet lead. In stance a foot stays where it was put and rolls from heel to toe; in swing the ankle follows a curve
to the next strike. Knees come from inverse kinematics, so the knee bends as much as the foot's path asks for.

What tells the three gaits apart (mean of the subjects here; each subject varies around it):

| | walking | jogging | running | source |
| --- | --- | --- | --- | --- |
| speed, m/s | 1.35 | 2.6 | 4.8 | Bohannon 1997 (comfortable 1.3 to 1.5); Keller 1996 (jog 2.5 to 3, run 4 and more) |
| steps a second | 1.85 | 2.6 | 3.0 | Murray 1964; Cavanagh & Kram 1989; Weyand 2000 |
| duty factor | 0.61 | 0.38 | 0.30 | Alexander 1989: above 0.5 is walking (double support), below it is a gait with flight |
| peak knee flexion in swing, degrees | 65 | 100 | 120 | Winter 1991; Novacheck 1998 |
| trunk lean, degrees | 3 | 5 | 12 | Thorstensson 1984; Novacheck 1998 |
| vertical bounce, m | 0.045 | 0.095 | 0.085 | Gard 2004; Cavagna 1988 |
| elbow, degrees | 22 | 80 | 95 | Hinrichs 1987; arms opposite the legs |

The pelvis is highest in mid-stance when walking and in flight when jogging or running.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.data.demo.seeding import around, between
from kinema.data.demo.skeleton import (
    SIDES,
    Array,
    Body,
    Trunk,
    foot_joints,
    smooth,
    stack_joints,
    trunk_joints,
    two_link,
)

DEGREE = np.pi / 180


@dataclass(frozen=True, slots=True)
class Gait:
    """One person's way of going. Speeds in m/s, lengths in metres, angles in radians."""

    speed: float
    cadence: float  # steps a second
    duty: float  # part of the stride during which a foot is on the ground
    crouch: float  # hip axis below its height when standing
    bounce: float  # vertical travel of the pelvis
    flying: bool  # the pelvis is highest in flight, not in mid-stance
    ahead: float  # part of the stance travel that lies before the hip
    lift: float  # how far the ankle rises in swing
    lift_at: float  # when, as a part of the swing
    trailing: float  # how long the foot keeps moving back after toe-off (0 to 1)
    strike_pitch: float
    off_pitch: float
    heel_rise: float  # when the heel leaves the ground, as a part of stance
    lean: float
    pelvis_twist: float
    shoulder_twist: float
    sway: float
    track: float  # half the distance between the two lines of steps
    arm_middle: float
    arm_swing: float
    elbow: float
    elbow_swing: float
    arm_out: float
    uneven: float  # right arm and leg against left

    @property
    def stride_time(self) -> float:
        """Seconds of two steps."""
        return 2 / self.cadence


def draw_gait(action: str, body: Body, rng: np.random.Generator) -> Gait:
    """Draw how a person walks, jogs or runs. Faster and longer-legged people take longer steps."""
    long_legs = body.leg / 0.85
    d = DEGREE
    uneven = around(rng, 0.0, 0.05)
    if action == "walking":
        speed = around(rng, 1.35, 0.11) * long_legs**0.5
        return Gait(
            speed=speed, cadence=around(rng, 1.85, 0.06) * (speed / 1.35) ** 0.4 / long_legs**0.4,
            duty=around(rng, 0.61, 0.01), crouch=0.030 * body.leg, bounce=around(rng, 0.042, 0.006), flying=False,
            ahead=0.42, lift=around(rng, 0.075, 0.012), lift_at=0.26, trailing=0.35,
            strike_pitch=around(rng, 17, 3) * d, off_pitch=-around(rng, 52, 4) * d, heel_rise=0.52,
            lean=around(rng, 3, 1.5) * d, pelvis_twist=around(rng, 6, 1.5) * d, shoulder_twist=around(rng, 6, 2) * d,
            sway=around(rng, 0.018, 0.005), track=around(rng, 0.045, 0.012),
            arm_middle=around(rng, 2, 3) * d, arm_swing=around(rng, 22, 6) * d,
            elbow=around(rng, 22, 7) * d, elbow_swing=around(rng, 10, 3) * d, arm_out=around(rng, 8, 2) * d,
            uneven=uneven,
        )  # fmt: skip
    if action == "jogging":
        speed = around(rng, 2.6, 0.15) * long_legs**0.5
        return Gait(
            speed=speed, cadence=around(rng, 2.6, 0.05) * (speed / 2.6) ** 0.25 / long_legs**0.3,
            duty=around(rng, 0.38, 0.012), crouch=0.060 * body.leg, bounce=around(rng, 0.092, 0.01), flying=True,
            ahead=0.40, lift=around(rng, 0.15, 0.02), lift_at=0.37, trailing=0.42,
            strike_pitch=around(rng, 9, 3) * d, off_pitch=-around(rng, 55, 4) * d, heel_rise=0.45,
            lean=around(rng, 5, 1.5) * d, pelvis_twist=around(rng, 7, 1.5) * d, shoulder_twist=around(rng, 9, 2.5) * d,
            sway=around(rng, 0.012, 0.004), track=around(rng, 0.035, 0.01),
            arm_middle=-around(rng, 10, 4) * d, arm_swing=around(rng, 24, 4) * d,
            elbow=around(rng, 80, 10) * d, elbow_swing=around(rng, 9, 3) * d, arm_out=around(rng, 12, 3) * d,
            uneven=uneven,
        )  # fmt: skip
    speed = around(rng, 4.8, 0.2) * long_legs**0.5
    return Gait(
        speed=speed, cadence=around(rng, 3.0, 0.06) * (speed / 4.8) ** 0.3 / long_legs**0.3,
        duty=around(rng, 0.30, 0.01), crouch=0.078 * body.leg, bounce=around(rng, 0.082, 0.008), flying=True,
        ahead=0.38, lift=around(rng, 0.31, 0.03), lift_at=0.42, trailing=0.45,
        strike_pitch=around(rng, 3, 3) * d, off_pitch=-around(rng, 62, 4) * d, heel_rise=0.35,
        lean=around(rng, 12, 2.2) * d, pelvis_twist=around(rng, 9, 2) * d, shoulder_twist=around(rng, 13, 3) * d,
        sway=around(rng, 0.008, 0.003), track=around(rng, 0.025, 0.008),
        arm_middle=-around(rng, 8, 4) * d, arm_swing=around(rng, 48, 5) * d,
        elbow=around(rng, 95, 8) * d, elbow_swing=around(rng, 16, 4) * d, arm_out=around(rng, 14, 3) * d,
        uneven=uneven + between(rng, -0.02, 0.02),
    )  # fmt: skip


def gait_pose(body: Body, gait: Gait, phase: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the joints (N, J, 3) at N stride phases, and which feet (left, right) are on the ground (N, 2).

    Phase 0 is the left foot's strike, 0.5 the right one's; it may run on past 1.
    """
    legs = np.stack([phase, phase + 0.5], -1) % 1.0
    step = np.cos(4 * np.pi * (legs[:, 0] - gait.duty / 2))
    rise = -step if gait.flying else step
    stride = np.cos(2 * np.pi * (legs[:, 0] - 0.02))
    trunk = Trunk(
        height=body.hip_height - gait.crouch + 0.5 * gait.bounce * rise,
        lean=gait.lean + 0.02 * np.sin(4 * np.pi * legs[:, 0]),
        twist=gait.shoulder_twist * stride,
        hip_twist=-gait.pelvis_twist * stride,
        sway=gait.sway * np.cos(2 * np.pi * (legs[:, 0] - gait.duty / 2)),
        forward=np.zeros_like(phase),
    )
    parts = trunk_joints(body, trunk)
    ankle, pitch = _feet(body, gait, legs)
    parts["knees"], reached = two_link(
        parts["hips"], ankle, body.thigh, body.shank, np.array([1.0, 0.0, 0.15])
    )
    pitch = _swing_pitch(gait, legs, pitch, reached - parts["knees"])
    parts["ankles"] = reached
    parts["heels"], parts["toes"] = foot_joints(body, reached, pitch)
    parts["elbows"], parts["wrists"] = _arms(body, gait, legs, parts["shoulders"])
    return stack_joints(parts), legs < gait.duty


def _feet(body: Body, gait: Gait, legs: Array) -> tuple[Array, Array]:
    """Where the ankles (N, 2, 3) belong, and how the soles are pitched (N, 2) in stance."""
    travel = gait.speed * gait.stride_time
    stance = np.clip(legs / gait.duty, 0.0, 1.0)
    x, z, pitch = _stance(body, gait, stance, travel)
    x_off, z_off, _ = _stance(body, gait, np.ones(1), travel)
    x_strike, z_strike, _ = _stance(body, gait, np.zeros(1), travel)
    swing = np.clip((legs - gait.duty) / (1 - gait.duty), 0.0, 1.0)
    back = -gait.trailing * travel * (1 - gait.duty)
    s2, s3 = swing * swing, swing * swing * swing
    x_swing = (
        (2 * s3 - 3 * s2 + 1) * x_off + (s3 - 2 * s2 + swing) * back
        + (3 * s2 - 2 * s3) * x_strike + 0.6 * (s3 - s2) * back
    )  # fmt: skip
    bend = np.log(0.5) / np.log(gait.lift_at)
    arch = np.sin(np.pi * swing**bend)
    lift = gait.lift * (1 + gait.uneven * SIDES)
    z_swing = z_off + (z_strike - z_off) * smooth(swing) + lift * arch
    flying = legs >= gait.duty
    y = np.broadcast_to(SIDES * gait.track, legs.shape)
    return np.stack([np.where(flying, x_swing, x), y, np.where(flying, z_swing, z)], -1), pitch


def _stance(body: Body, gait: Gait, stance: Array, travel: float) -> tuple[Array, Array, Array]:
    """The ankle's x and z and the sole's pitch while the foot rolls over heel, sole and toe."""
    landing = gait.strike_pitch * (1 - smooth(stance / 0.18))
    leaving = gait.off_pitch * np.clip((stance - gait.heel_rise) / (1 - gait.heel_rise), 0, 1) ** 1.6
    pitch = landing + leaving
    flat = (gait.ahead - stance) * travel * gait.duty
    cos, sin = np.cos(pitch), np.sin(pitch)
    high = body.ankle_height
    on_heel = pitch > 0
    x = np.where(
        on_heel,
        flat - body.heel + body.heel * cos - high * sin,
        flat + body.toe - body.toe * cos - high * sin,
    )
    z = np.where(on_heel, body.heel * sin, -body.toe * sin) + high * cos
    return x, z, pitch


def _swing_pitch(gait: Gait, legs: Array, stance_pitch: Array, shank: Array) -> Array:
    """In swing the foot hangs from the shank, a little pointed; it leaves and meets the stance angles smoothly."""
    swing = np.clip((legs - gait.duty) / (1 - gait.duty), 0.0, 1.0)
    hanging = np.arctan2(shank[..., 0], -shank[..., 2]) - 12 * DEGREE
    leave, meet = smooth(swing / 0.25), smooth((swing - 0.65) / 0.35)
    pitch = gait.off_pitch * (1 - leave) + hanging * leave
    pitch = pitch * (1 - meet) + gait.strike_pitch * meet
    return np.where(legs < gait.duty, stance_pitch, pitch)


def _arms(body: Body, gait: Gait, legs: Array, shoulders: Array) -> tuple[Array, Array]:
    swing = -np.cos(2 * np.pi * (legs - 0.03))
    amount = 1 - gait.uneven * SIDES
    upper = gait.arm_middle + gait.arm_swing * swing * amount
    lower = upper + gait.elbow + gait.elbow_swing * swing
    outward = SIDES * np.sin(gait.arm_out)
    inward = -SIDES * np.sin(gait.arm_out) * (1.2 if gait.flying else 0.2) * np.ones_like(upper)
    elbows = shoulders + body.upper_arm * _unit(np.sin(upper), outward * np.ones_like(upper), -np.cos(upper))
    return elbows, elbows + body.forearm * _unit(np.sin(lower), inward, -np.cos(lower))


def _unit(x: Array, y: Array, z: Array) -> Array:
    vector = np.stack([x, y, z], -1)
    return vector / np.sqrt((vector * vector).sum(-1, keepdims=True))
