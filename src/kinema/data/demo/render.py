"""From movement to frames: shapes are filled at four times the size and at two instants of each exposure.

The drawing uses integer coordinates (sixteenths of a sub-pixel) and integer blending, so that a frame has the same
pixels on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.data.demo.camera import HEIGHT, WIDTH, Camera, Image, Light, View, develop, photograph_background
from kinema.data.demo.clothes import Clothes
from kinema.data.demo.figure import Part, capsule, draw_figure
from kinema.data.demo.performance import Performance
from kinema.data.demo.skeleton import JOINT, Array

SHUTTER = 0.010  # s between the two instants of an exposure
_FINE = 4  # sub-pixels a pixel
_BITS = 4  # fraction bits of a sub-pixel
_LEVELS = 2 * _FINE * _FINE  # samples a pixel over both instants
_SHADOW_BONES = (
    ("pelvis", "neck", 0.15), ("neck", "head", 0.09),
    ("left_shoulder", "left_elbow", 0.05), ("left_elbow", "left_wrist", 0.045),
    ("right_shoulder", "right_elbow", 0.05), ("right_elbow", "right_wrist", 0.045),
    ("left_hip", "left_knee", 0.075), ("left_knee", "left_ankle", 0.055), ("left_heel", "left_toe", 0.045),
    ("right_hip", "right_knee", 0.075), ("right_knee", "right_ankle", 0.055), ("right_heel", "right_toe", 0.045),
)  # fmt: skip


def render(performance: Performance, view: View, clothes: Clothes) -> Iterator[Image]:
    """Yield frames (120, 160, 3). The performance holds two instants a frame (2 N), the view one (N)."""
    camera = view.camera
    twice = replace(camera, zoom=np.repeat(camera.zoom, 2), shake=np.repeat(camera.shake, 2, axis=0))
    parts = draw_figure(performance, twice, clothes, -1.0 if view.sun[0] > 0 else 1.0)
    order = np.argsort(np.stack([part.nearness for part in parts]), axis=0, kind="stable").T
    shapes = [[(_fixed(polygon), (*colour, 255)) for polygon, colour in part.shapes] for part in parts]
    boxes = _boxes(parts)
    shade = _shadows(performance, twice, view) if view.shadow > 0 else []
    for frame in range(len(camera.zoom)):
        picture = photograph_background(view, frame)
        if shade:
            _cast(picture, [polygon[2 * frame] for polygon in shade], view)
        _paint(picture, shapes, order[2 * frame : 2 * frame + 2], boxes[frame], frame)
        yield develop(view, frame, picture)


def visible(performance: Performance, view: View) -> NDArray[np.bool_]:
    """Say for each of N frames whether the middle of the body is in the picture; the performance holds 2 N instants."""
    places, _ = view.camera.project(performance.joints[::2])
    u = places[:, [JOINT["pelvis"], JOINT["neck"]], 0]
    return np.asarray(((u >= 0) & (u < WIDTH)).any(-1), bool)


def _fixed(polygon: Array) -> NDArray[np.int32]:
    bounded = np.clip((polygon + 0.5) * _FINE - 0.5, -20000, 20000)
    return np.rint(bounded * (1 << _BITS)).astype(np.int32)


def _boxes(parts: list[Part]) -> NDArray[np.int64]:
    """Left, top, right and bottom (N, 4) of the figure in whole pixels, within the picture."""
    low = np.min([polygon.min(1) for part in parts for polygon, _ in part.shapes], axis=0)
    high = np.max([polygon.max(1) for part in parts for polygon, _ in part.shapes], axis=0)
    low, high = np.minimum(low[::2], low[1::2]), np.maximum(high[::2], high[1::2])
    limits = np.array([WIDTH, HEIGHT])
    first = np.clip(np.floor(np.clip(low, -9e3, 9e3)) - 1, 0, limits)
    last = np.clip(np.ceil(np.clip(high, -9e3, 9e3)) + 2, 0, limits)
    return np.concatenate([first, last], 1).astype(np.int64)


def _paint(
    picture: Light,
    shapes: list[list[tuple[NDArray[np.int32], tuple[int, int, int, int]]]],
    order: NDArray[np.int64],
    box: NDArray[np.int64],
    frame: int,
) -> None:
    """Lay the figure over the picture, in place."""
    left, top, right, bottom = (int(edge) for edge in box)
    if right <= left or bottom <= top:
        return
    total = np.zeros((bottom - top, right - left, 4), np.uint16)
    corner = np.array([left, top], np.int32) * (_FINE << _BITS)
    for instant in (0, 1):
        canvas = np.zeros(((bottom - top) * _FINE, (right - left) * _FINE, 4), np.uint8)
        for part in order[instant]:
            for polygons, colour in shapes[part]:
                cv2.fillPoly(canvas, [polygons[2 * frame + instant] - corner], colour, cv2.LINE_8, _BITS)
        total += _gathered(canvas)
    area = picture[top:bottom, left:right]
    cover = total[..., 3:] // 255
    area[:] = (area * (_LEVELS - cover) + total[..., :3]) // _LEVELS


def _gathered(canvas: Image) -> Light:
    """Add up the sub-pixels of each pixel."""
    rows = canvas[0::_FINE].astype(np.uint16)
    for offset in range(1, _FINE):
        rows += canvas[offset::_FINE]
    columns = rows[:, 0::_FINE].copy()
    for offset in range(1, _FINE):
        columns += rows[:, offset::_FINE]
    return columns


def _shadows(performance: Performance, camera: Camera, view: View) -> list[NDArray[np.int32]]:
    """Outlines of the body's shadow on the ground, at twice the picture's size."""
    joints = performance.joints
    height = np.maximum(joints[..., 2:], 0.0)
    flat = np.concatenate([joints[..., :2] + height * np.array(view.sun), np.zeros_like(height)], -1)
    places, _ = camera.project(flat)
    metre = camera.zoom * camera.scale
    outlines = []
    for first, last, radius in _SHADOW_BONES:
        outline = capsule(places[:, JOINT[first]], places[:, JOINT[last]], metre * radius, metre * radius)
        outlines.append(np.rint(np.clip(outline * 2, -8000, 8000) * 16).astype(np.int32))
    return outlines


def _cast(picture: Light, outlines: list[NDArray[np.int32]], view: View) -> None:
    """Darken the picture where the shadow falls, in place."""
    mask = np.zeros((2 * HEIGHT, 2 * WIDTH), np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [outline], 64, cv2.LINE_8, 4)
    if not mask.any():
        return
    small = mask[0::2, 0::2].astype(np.uint16) + mask[1::2, 0::2] + mask[0::2, 1::2] + mask[1::2, 1::2]
    for _ in range(view.soft):
        wide = np.pad(small, 1, mode="edge")
        across = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
        small = (across[:-2] + 2 * across[1:-1] + across[2:]) >> 4
    depth = round(view.shadow * 255)
    picture *= (256 - (small * depth >> 8))[..., None]
    picture >>= 8
