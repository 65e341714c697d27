"""What a person does in a video: passes through the picture, actions on the spot, and a long script of them.

World frame, in metres: X to the right of the picture, Y away from the camera, Z up; the camera's centre line meets the
ground at X = Y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.data.demo.actions import ON_THE_SPOT
from kinema.data.demo.gait import DEGREE, draw_gait, gait_pose
from kinema.data.demo.seeding import ACTIONS, BODY, MOTION, STYLE, around, between, stream
from kinema.data.demo.skeleton import Array, Body, draw_body, smooth

GAITS = ("walking", "jogging", "running")
_CLOSE, _CLEAR = (
    0.22,
    0.34,
)  # of the stature: how far out of the picture people turn round; the latter out of sight
BRIDGE = 1.0  # s: a person out of the picture for no longer than this is between two passes of one action


@dataclass(frozen=True, slots=True)
class Performance:
    """A person's movement at N instants."""

    body: Body
    joints: Array  # (N, J, 3) in the world, metres
    contact: NDArray[np.bool_]  # (N, 2): left and right foot on the ground
    labels: list[str]  # (N,) the action under way, or "none"


def person(seed: int, subject: int) -> Body:
    """Return the body of a subject (1, 2, …), the same in every clip."""
    return draw_body(stream(seed, BODY, subject))


def perform(seed: int, subject: int, action: str, take: int, times: Array, half_width: float) -> Performance:
    """Return one clip's movement.

    `times` (N,) are the instants in seconds, `take` tells the clips of one subject and action apart, `half_width` is
    half of what the camera sees of the ground, in metres: a walker passes from beyond one side to beyond the other.
    """
    body = person(seed, subject)
    index = ACTIONS.index(action)
    style, motion = stream(seed, STYLE, subject, index), stream(seed, MOTION, subject, index, take)
    if action in GAITS:
        move, contact = _passes(action, body, style, motion, times, half_width)
        return Performance(body, move, contact, [action] * len(times))
    yaw = _facing(action, motion)
    local = ON_THE_SPOT[action](body, style, motion)(times)
    place = np.array([between(motion, -0.3, 0.3) * half_width, 0.0])
    still = np.zeros(len(times))
    joints = _placed(local, still + yaw, still + place[0], still + place[1])
    return Performance(body, joints, np.ones((len(times), 2), bool), [action] * len(times))


def _facing(action: str, motion: np.random.Generator) -> float:
    """Waving and clapping are seen from the front, boxing from the side, as mostly in KTH."""
    if action == "boxing":
        towards = between(motion, 2, 20) * DEGREE
        return -towards if motion.random() < 0.5 else np.pi + towards
    wide = 12 if action == "handclapping" else 20
    return -np.pi / 2 + between(motion, -wide, wide) * DEGREE


def _passes(
    action: str,
    body: Body,
    style: np.random.Generator,
    motion: np.random.Generator,
    times: Array,
    half_width: float,
    passes: int | None = None,
) -> tuple[Array, NDArray[np.bool_]]:
    """Cross the picture to and fro.

    Without `passes` the clip begins while the person comes in; with it, so many passes begin and end out of sight.
    """
    gait = draw_gait(action, body, style)
    direction = 1.0 if motion.random() < 0.5 else -1.0
    length = 2 * (half_width + (_CLOSE if passes is None else _CLEAR) * body.stature)
    start = between(motion, 0.02, 0.18) * length if passes is None else 0.0
    wobble, rate, phase = between(motion, 0.0, 0.05), between(motion, 0.2, 0.5), between(motion, 0, 6)
    even = times + wobble * np.sin(2 * np.pi * rate * times + phase)
    travelled = start + gait.speed * even
    strides = travelled / (gait.speed * gait.stride_time) + float(motion.random())
    crossing = np.clip(np.floor(travelled / length).astype(int), 0, None if passes is None else passes - 1)
    slants = [around(motion, 0.0, 5.0) * DEGREE for _ in range(int(crossing.max()) + 1)]
    depth = [between(motion, -0.25, 0.25) for _ in slants]
    local, contact = gait_pose(body, gait, strides)
    along = travelled - crossing * length - length / 2
    heading = direction * np.where(crossing % 2 == 0, 1.0, -1.0)
    slant = np.array(slants)[crossing]
    yaw = np.where(heading > 0, 0.0, np.pi) + slant
    x = heading * along * np.cos(slant)
    y = heading * along * np.sin(slant) + np.array(depth)[crossing]
    return _placed(local, yaw, x, y), contact


def _placed(local: Array, yaw: Array, x: Array, y: Array) -> Array:
    """Turn joints (N, J, 3) from the body frame by `yaw` and put them at (x, y) in the world."""
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    return np.stack(
        [
            local[..., 0] * cos - local[..., 1] * sin + x[:, None],
            local[..., 0] * sin + local[..., 1] * cos + y[:, None],
            local[..., 2],
        ],
        -1,
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """One line of a script: an action, or "away" (nobody in the picture) or "standing"; gaits last whole passes."""

    what: str
    seconds: float


SCRIPT = (
    Scene("away", 1.6), Scene("walking", 6.5), Scene("away", 1.8), Scene("running", 5.0), Scene("away", 2.0),
    Scene("enter", 2.2), Scene("standing", 1.2), Scene("handwaving", 7.0), Scene("standing", 1.4),
    Scene("boxing", 7.0), Scene("standing", 1.2), Scene("handclapping", 7.0), Scene("standing", 1.2),
    Scene("leave", 2.2), Scene("away", 1.6), Scene("jogging", 6.0), Scene("away", 1.5), Scene("running", 4.0),
    Scene("away", 1.7), Scene("walking", 6.0), Scene("away", 1.2),
)  # fmt: skip


def perform_script(
    seed: int,
    subject: int,
    fps: float,
    half_width: float,
    script: tuple[Scene, ...] = SCRIPT,
    shutter: float = 0.0,
) -> list[Performance]:
    """Return a long performance as one `Performance` a scene, to be shown one after the other without a cut.

    "enter" walks in from a side and stops in the middle (labelled walking until the person stands), "leave" is its reverse.
    Instants come in pairs, `shutter` seconds apart, when `shutter` is above zero.
    """
    body = person(seed, subject)
    done: list[Performance] = []
    last: Array | None = None
    middle = 0.0
    facing = -np.pi / 2
    for number, scene in enumerate(script):
        times = frame_times(round(scene.seconds * fps), fps, shutter)
        motion = stream(seed, MOTION, subject, 100 + number)
        action = "walking" if scene.what in ("enter", "leave") else scene.what
        style = stream(seed, STYLE, subject, ACTIONS.index(action) if action in ACTIONS else 99)
        count = len(times)
        if scene.what == "away":
            far = np.full((count, 19, 3), 1e3)
            done.append(Performance(body, far, np.zeros((count, 2), bool), ["none"] * count))
            last = None
            continue
        if scene.what in GAITS:
            gait = draw_gait(action, body, stream(seed, STYLE, subject, ACTIONS.index(action)))
            one = 2 * (half_width + _CLEAR * body.stature) / gait.speed  # seconds of a pass
            passes = max(1, round(scene.seconds / one))
            times = frame_times(int(np.ceil(passes * one * fps)), fps, shutter)
            count = len(times)
            joints, contact = _passes(action, body, style, motion, times, half_width, passes)
            done.append(Performance(body, joints, contact, [action] * count))
            last = None
            continue
        if scene.what in ("enter", "leave"):
            joints, contact, labels = _walk_in(body, style, motion, times, half_width, scene.what == "leave")
        else:
            local = ON_THE_SPOT[scene.what](body, style, motion)(times)
            yaw = _facing(scene.what, motion) if scene.what != "standing" else facing
            facing = yaw
            still = np.zeros(count)
            joints = _placed(local, still + yaw, still + middle, still)
            contact = np.ones((count, 2), bool)
            labels = [scene.what if scene.what in ACTIONS else "none"] * count
        if last is not None:
            joints = _joined(last, joints, times)
        last = joints[-1]
        done.append(Performance(body, joints, contact, labels))
    return done


def _walk_in(
    body: Body,
    style: np.random.Generator,
    motion: np.random.Generator,
    times: Array,
    half_width: float,
    leave: bool,
) -> tuple[Array, NDArray[np.bool_], list[str]]:
    gait = draw_gait("walking", body, style)
    duration = float(times[-1]) + 1e-6
    slow = 0.5
    clock = duration - times if leave else times
    speed_time = np.where(
        clock < duration - slow,
        clock,
        duration - slow + slow * 0.5 * _brake((clock - duration + slow) / slow),
    )
    left = gait.speed * (duration - 0.5 * slow - speed_time)
    heading = 1.0 if motion.random() < 0.5 else -1.0
    sign = 1.0 if leave else -1.0
    x = sign * heading * left
    strides = heading * x / (gait.speed * gait.stride_time)
    local, contact = gait_pose(body, gait, strides)
    standing = ON_THE_SPOT["standing"](body, style, motion)(times)
    still = smooth((clock - duration + slow) / slow)[:, None, None]
    yaw = np.full(len(times), 0.0 if heading > 0 else np.pi)
    joints = _placed(local * (1 - still) + standing * still, yaw, x, np.zeros(len(times)))
    return joints, contact, ["walking" if abs(value) > 0.12 else "none" for value in left]


def _brake(part: Array) -> Array:
    """Distance covered while slowing evenly from full speed, as a part of twice the mean distance."""
    part = np.clip(part, 0, 1)
    return 2 * part - part * part


def _joined(last: Array, joints: Array, times: Array, seconds: float = 0.45) -> Array:
    """Let a movement begin where the one before it ended."""
    weight = smooth(times / seconds)[:, None, None]
    return last * (1 - weight) + joints * weight


def frame_times(count: int, fps: float, shutter: float = 0.0) -> Array:
    """Return the instants of `count` frames; with a shutter, the opening and the closing of each in turn."""
    times = np.arange(count) / fps
    return np.stack([times, times + shutter], 1).ravel() if shutter > 0 else times
