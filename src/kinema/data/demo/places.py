"""Backgrounds: textured grass, sand, asphalt, walls, trees and sky outdoors; a wall and a floor indoors.

All are drawn from value noise with plain arithmetic, so that the pixels are the same on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinema.data.demo.seeding import around, between
from kinema.data.demo.skeleton import Array

OUTDOOR = ("field", "wall", "park", "road")
OUTDOOR_SHARES = (0.4, 0.26, 0.17, 0.17)  # KTH was mostly filmed against plain ground
INDOOR = ("room", "hall")
HEIGHT, WIDTH = 200, 270  # pixels at zoom 1; the camera sees the middle 120 x 160 of them
TOP = 40  # rows above what the camera sees at zoom 1


def noise(rng: np.random.Generator, height: int, width: int, cell: tuple[float, float]) -> Array:
    """Return smooth value noise (height, width) in [-1, 1] with lattice cells of `cell` = (rows, columns) pixels."""
    rows, columns = np.arange(height) / cell[0], np.arange(width) / cell[1]
    lattice = rng.random((int(rows[-1]) + 2, int(columns[-1]) + 2)) * 2 - 1
    top, left = rows.astype(int), columns.astype(int)
    down, right = rows - top, columns - left
    down, right = (down * down * (3 - 2 * down))[:, None], right * right * (3 - 2 * right)
    upper = lattice[top][:, left] * (1 - right) + lattice[top][:, left + 1] * right
    lower = lattice[top + 1][:, left] * (1 - right) + lattice[top + 1][:, left + 1] * right
    return upper * (1 - down) + lower * down


def texture(rng: np.random.Generator, height: int, width: int, *layers: tuple[float, float, float]) -> Array:
    """Return a sum of noises, each given as (strength, rows of a cell, columns of a cell)."""
    total = np.zeros((height, width))
    for strength, rows, columns in layers:
        total += strength * noise(rng, height, width, (rows, columns))
    return total


def draw_place(rng: np.random.Generator, kind: str, horizon: float) -> NDArray[np.uint8]:
    """Return a background (200, 270, 3) of one of the kinds above; `horizon` is the row of the picture where the ground ends."""
    edge = int(np.clip(TOP + horizon, 8, HEIGHT - 40))
    image = np.empty((HEIGHT, WIDTH, 3))
    if kind in INDOOR:
        _indoor(rng, image, edge, kind)
    else:
        _ground(
            rng,
            image,
            "asphalt" if kind == "road" else str(rng.choice(["grass", "dry grass", "sand", "asphalt"])),
        )
        if kind == "wall":
            _wall(rng, image, edge)
        elif kind in ("park", "road"):
            _trees(rng, image, edge)
        if kind == "road" or rng.random() < 0.25:
            _line(rng, image, edge)
    image *= between(rng, 0.82, 1.15)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


_GROUNDS = {
    "grass": ((96, 116, 66), 12.0), "dry grass": ((146, 138, 92), 11.0),
    "sand": ((186, 172, 140), 8.0), "asphalt": ((126, 126, 128), 8.0),
}  # fmt: skip


def _ground(rng: np.random.Generator, image: Array, kind: str) -> None:
    colour, rough = _GROUNDS[kind]
    grain = texture(
        rng, HEIGHT, WIDTH, (rough, 1, 1.6), (rough * 0.8, 2, 4), (rough * 0.7, 5, 14), (rough * 0.8, 16, 50)
    )
    light = around(rng, 1.0, 0.09)
    tint = np.array([around(rng, part * light, 3.5) for part in colour])
    near = np.linspace(0.93, 1.07, HEIGHT)[:, None]
    image[:] = (tint[None, None] + grain[..., None] * np.array([1.0, 0.95, 0.75])) * near[..., None]


def _wall(rng: np.random.Generator, image: Array, edge: int) -> None:
    colour = np.array(
        [[176, 164, 146], [150, 96, 78], [188, 186, 178], [128, 134, 140]][int(rng.integers(4))], float
    )
    face = colour * (1 + texture(rng, edge, WIDTH, (0.05, 1, 1), (0.06, 6, 9), (0.06, 40, 60)))[..., None]
    if rng.random() < 0.6:
        course, brick = int(rng.integers(5, 9)), int(rng.integers(12, 22))
        row, column = np.arange(edge)[:, None], np.arange(WIDTH)[None]
        joint = (row % course == 0) | ((column + (row // course % 2) * (brick // 2)) % brick == 0)
        each = rng.random((edge // course + 1, WIDTH // brick + 2)) * 0.14 + 0.93
        face *= each[row // course, (column + (row // course % 2) * (brick // 2)) // brick][..., None]
        face[joint] *= 0.86
    for _ in range(int(rng.integers(0, 3))):
        left, top = int(rng.integers(0, WIDTH - 50)), int(rng.integers(0, max(1, edge - 50)))
        face[top : top + int(rng.integers(22, 40)), left : left + int(rng.integers(16, 34))] *= between(
            rng, 0.5, 0.8
        )
    image[:edge] = face
    image[edge - 2 : edge + 2] *= 0.7


def _trees(rng: np.random.Generator, image: Array, edge: int) -> None:
    grey = around(rng, 200, 14)
    sky = grey + np.array([around(rng, -6, 3), 0.0, around(rng, 12, 6)])
    rows = np.linspace(0.92, 1.06, edge)[:, None, None]
    image[:edge] = sky * rows + (5 * texture(rng, edge, WIDTH, (1, 14, 40), (0.6, 6, 16)))[..., None]
    outline = texture(rng, 1, WIDTH, (1, 1, 40), (0.45, 1, 13), (0.25, 1, 5), (0.15, 1, 2))[0]
    crown = edge * between(rng, 0.25, 0.75) + between(rng, 4, 10) * outline
    light = around(rng, 1.0, 0.12)
    leaves = light * np.array([around(rng, 72, 4), around(rng, 84, 3), around(rng, 58, 4)])
    green = leaves * (1 + texture(rng, edge, WIDTH, (0.22, 1.5, 1.5), (0.3, 4, 4), (0.3, 11, 13)))[..., None]
    below = np.arange(edge)[:, None] > crown[None]
    image[:edge][below] = green[below]


def _line(rng: np.random.Generator, image: Array, edge: int) -> None:
    row = int(between(rng, edge + 10, HEIGHT - 45))
    slope = around(rng, 0.0, 0.03)
    middle = row + slope * np.arange(WIDTH)
    distance = np.abs(np.arange(HEIGHT)[:, None] - middle[None])
    worn = np.clip(1.6 - distance, 0, 1) * (0.35 + 0.3 * texture(rng, HEIGHT, WIDTH, (1, 2, 5)))
    image += np.clip(worn, 0, 1)[..., None] * (226 - image)


def _indoor(rng: np.random.Generator, image: Array, edge: int, kind: str) -> None:
    wall = np.array(
        [[196, 188, 170], [168, 178, 184], [188, 172, 150], [160, 164, 152]][int(rng.integers(4))], float
    )
    light = np.linspace(between(rng, 0.72, 1.0), between(rng, 0.85, 1.16), WIDTH)[None, :, None]
    image[:edge] = wall * light * (1 + texture(rng, edge, WIDTH, (0.025, 1, 1), (0.03, 30, 40)))[..., None]
    floor = np.array(
        [[138, 108, 78], [112, 112, 116], [152, 130, 104], [92, 104, 112]][int(rng.integers(4))], float
    )
    below = HEIGHT - edge
    image[edge:] = floor * light * (1 + texture(rng, below, WIDTH, (0.05, 1, 6), (0.05, 5, 30)))[..., None]
    if kind == "hall":
        boards = (np.arange(below)[:, None] ** 1.15).astype(int) % 7 == 0
        image[edge:][np.broadcast_to(boards, (below, WIDTH))] *= 0.88
        for x in range(int(rng.integers(8, 40)), WIDTH, int(rng.integers(34, 60))):
            image[:edge, x : x + 3] *= 0.84
    for _ in range(int(rng.integers(0, 3))):
        left, top = int(rng.integers(5, WIDTH - 50)), int(rng.integers(10, 70))
        tall, wide = int(rng.integers(20, 55)), int(rng.integers(18, 44))
        panel = np.array([between(rng, 50, 220) for _ in range(3)])
        patch = image[top : min(top + tall, edge), left : left + wide]
        patch[:] = (
            0.45 * patch + 0.55 * panel * (1 + 0.2 * texture(rng, *patch.shape[:2], (1, 8, 8)))[..., None]
        )
    image[edge - 4 : edge] *= between(rng, 0.55, 0.8)
