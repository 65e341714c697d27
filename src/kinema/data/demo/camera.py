"""The camera: where it stands, how it zooms and shakes, and what its sensor adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.data.demo import places
from kinema.data.demo.seeding import CAMERA, PLACE, SCENARIOS, SENSOR, around, between, stream
from kinema.data.demo.skeleton import Array

WIDTH, HEIGHT = 160, 120
MIDDLE_ROW = 70.0  # zooming leaves this row and the middle column where they are

Image = NDArray[np.uint8]
Light = NDArray[np.uint16]  # 0 to 255, wide enough to multiply by 256


@dataclass(frozen=True, slots=True)
class Camera:
    """A weak-perspective camera with a small tilt, at N instants."""

    scale: float  # pixels a metre at zoom 1
    tilt: float  # radians downwards
    ground: float  # row of the ground at depth 0
    zoom: Array  # (N,)
    shake: Array  # (N, 2) pixels

    def project(self, points: Array) -> tuple[Array, Array]:
        """Return pixel positions (N, …, 2), x then y, and nearness (N, …) in metres of world points (N, …, 3)."""
        many = (slice(None),) + (None,) * (points.ndim - 2)
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        u = WIDTH / 2 + self.zoom[many] * self.scale * x + self.shake[:, 0][many]
        row = self.ground - self.scale * (z * cos + y * sin)
        v = MIDDLE_ROW + self.zoom[many] * (row - MIDDLE_ROW) + self.shake[:, 1][many]
        return np.stack([u, v], -1), z * sin - y * cos


@dataclass(frozen=True, slots=True)
class View:
    """Everything about a clip's picture but the person."""

    camera: Camera
    background: Light  # (200, 270, 3)
    sun: tuple[float, float]  # where a shadow of 1 m falls, metres right and metres away
    shadow: float  # 0 none to 1 black
    soft: int  # radius of the shadow's edge in pixels
    warmth: tuple[float, float, float]
    gain: Array  # (N,) brightness
    blur: int  # of 256: what each neighbour gives to a pixel
    vignette: Light  # (120, 160, 1) of 256
    grain: NDArray[np.int16]  # (192, 256, 3) to be added at a random place
    grain_at: NDArray[np.int64]  # (N, 2)


def draw_view(seed: int, subject: int, scenario: str, take: int, stature: float, times: Array) -> View:
    """Draw place, camera, light and sensor for N instants.

    They depend on subject, scenario and take and never on the action, which so cannot be guessed from them.
    Scenarios as in KTH (Schuldt, Laptev & Caputo, ICPR 2004): d1 outdoors, d2 with scale changes, d3 in other
    clothes, d4 indoors.
    """
    which = SCENARIOS.index(scenario)
    place, camera, sensor = (stream(seed, kind, subject, which, take) for kind in (PLACE, CAMERA, SENSOR))
    indoors = scenario == "d4"
    kind = str(
        place.choice(places.INDOOR) if indoors else place.choice(places.OUTDOOR, p=places.OUTDOOR_SHARES)
    )
    horizon = -30.0 if kind == "field" else between(place, 34, 66) if not indoors else between(place, 66, 88)
    tall = between(camera, 76, 92)
    zoom = _zoom(camera, scenario, tall, times)
    return View(
        camera=Camera(
            scale=tall / stature, tilt=between(camera, 6, 14) * np.pi / 180,
            ground=min(between(camera, 104, 112), MIDDLE_ROW + 45 / float(zoom.max())),
            zoom=zoom, shake=_shake(camera, times),
        ),
        background=places.draw_place(place, kind, horizon).astype(np.uint16),
        sun=(between(place, -1.3, 1.3), between(place, 0.15, 0.7)) if not indoors else (between(place, -0.5, 0.5), 0.25),
        shadow=between(place, 0.15, 0.3) if indoors else float(place.choice([0.0, 0.25, 0.4, 0.5])),
        soft=3 if indoors else 1,
        warmth=(around(place, 1.04, 0.04), 1.0, around(place, 0.93, 0.05)) if indoors else (1.0, 1.0, 1.0),
        gain=_brightness(place, indoors, times),
        blur=int(sensor.integers(14, 42)),
        vignette=_vignette(between(sensor, 0.0, 0.2 if indoors else 0.12)),
        grain=_grain(sensor, between(sensor, 2.0, 4.5) if indoors else between(sensor, 1.5, 3.5)),
        grain_at=np.stack([sensor.integers(0, 72, len(times)), sensor.integers(0, 96, len(times))], -1),
    )  # fmt: skip


def photograph_background(view: View, frame: int) -> Light:
    """Return what the camera sees of the place (120, 160, 3), bilinear with eight-bit weights."""
    zoom, shake = view.camera.zoom[frame], view.camera.shake[frame]
    u = (np.arange(WIDTH) - WIDTH / 2 - shake[0]) / zoom + places.WIDTH / 2
    v = (np.arange(HEIGHT) - MIDDLE_ROW - shake[1]) / zoom + MIDDLE_ROW + places.TOP
    u = np.clip(np.rint(u * 256).astype(np.int64), 0, (places.WIDTH - 2) * 256)
    v = np.clip(np.rint(v * 256).astype(np.int64), 0, (places.HEIGHT - 2) * 256)
    part = (v & 255).astype(np.uint16)[:, None, None]
    tall = (view.background[v >> 8] * (256 - part) + view.background[(v >> 8) + 1] * part) >> 8
    part = (u & 255).astype(np.uint16)[None, :, None]
    return (np.take(tall, u >> 8, axis=1) * (256 - part) + np.take(tall, (u >> 8) + 1, axis=1) * part) >> 8


def develop(view: View, frame: int, light: Light) -> Image:
    """Turn light (120, 160, 3) in 0 to 255 into a recorded frame: lens, brightness, vignette, sensor noise."""
    side, middle = view.blur, 256 - 2 * view.blur
    image: Light = light * middle
    image[:, 1:-1] += (light[:, :-2] + light[:, 2:]) * side
    image[:, (0, -1)] += (light[:, (0, -1)] + light[:, (1, -2)]) * side
    light = (image >> 8).astype(np.uint16)
    image = (light * middle).astype(np.uint16)
    image[1:-1] += (light[:-2] + light[2:]) * side
    image[(0, -1),] += (light[(0, -1),] + light[(1, -2),]) * side
    gain = np.rint(np.clip(view.gain[frame] * np.array(view.warmth), 0, 1.95) * 128).astype(np.uint16)
    top, left = view.grain_at[frame]
    exposed = (((image >> 8) * view.vignette >> 8) * gain >> 7).view(np.int16)
    return np.clip(exposed + view.grain[top : top + HEIGHT, left : left + WIDTH], 0, 255).astype(np.uint8)


def _zoom(rng: np.random.Generator, scenario: str, tall: float, times: Array) -> Array:
    """Scale changes in d2 only; the body stays between 64 and 96 pixels tall."""
    if scenario != "d2":
        return np.ones(len(times))
    small, large = max(0.70, 64 / tall), min(1.28, 96 / tall)
    rate, phase = between(rng, 0.10, 0.22), between(rng, 0, 2 * np.pi)
    return small + (large - small) * (1 + np.sin(2 * np.pi * rate * times + phase)) / 2


def _shake(rng: np.random.Generator, times: Array) -> Array:
    """A hand that holds a camera as still as it can: a few tenths of a pixel at 0.2 to 4 Hz."""
    strength = between(rng, 0.05, 0.5)
    shake = np.zeros((len(times), 2))
    for low, high, part in ((0.2, 0.6, 1.0), (0.8, 1.8, 0.6), (2.5, 4.5, 0.25)):
        for axis in (0, 1):
            rate, phase = between(rng, low, high), between(rng, 0, 2 * np.pi)
            shake[:, axis] += strength * part * np.sin(2 * np.pi * rate * times + phase)
    return shake


def _brightness(rng: np.random.Generator, indoors: bool, times: Array) -> Array:
    """A lamp or a cloud: slow changes, larger indoors, where a lamp may also be switched once."""
    gain = around(rng, 0.94 if indoors else 1.0, 0.06) * np.ones(len(times))
    strength, rate, phase = (
        between(rng, 0.01, 0.09 if indoors else 0.05),
        between(rng, 0.08, 0.4),
        between(rng, 0, 6),
    )
    gain *= 1 + strength * np.sin(2 * np.pi * rate * times + phase)
    at, by = between(rng, 0, 2) * float(times[-1]), between(rng, -0.15, 0.12)
    return gain * (1 + by * (times > at)) if indoors else gain


def _vignette(strength: float) -> Light:
    x, y = np.linspace(-1, 1, WIDTH)[None], np.linspace(-1, 1, HEIGHT)[:, None]
    return np.rint(256 * (1 - strength * (x * x + y * y) / 2)).astype(np.uint16)[..., None]


def _grain(rng: np.random.Generator, strength: float) -> NDArray[np.int16]:
    shared, own = rng.standard_normal((192, 256, 1)), rng.standard_normal((192, 256, 3))
    return np.rint(strength * (0.8 * shared + 0.5 * own)).astype(np.int16)
