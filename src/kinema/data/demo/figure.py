"""The figure: joints become shaded, clothed shapes in the order in which they hide one another.

A shape is a polygon in pixels with a colour; a part (an upper arm, the trunk) is a few shapes drawn one over the other
and has a nearness, by which the parts of each frame are sorted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kinema.data.demo.camera import Camera
from kinema.data.demo.clothes import Clothes, Colour, shaded
from kinema.data.demo.performance import Performance
from kinema.data.demo.skeleton import JOINT, Array, Body

_ROUND = 6  # segments of each rounded end
_ARC = np.linspace(-np.pi / 2, np.pi / 2, _ROUND + 1)
_CIRCLE = np.linspace(0, 2 * np.pi, 18, endpoint=False)


@dataclass(slots=True)
class Part:
    """Shapes that are drawn together; polygons are (N, P, 2) in pixels, nearness (N,) in metres."""

    nearness: Array
    shapes: list[tuple[Array, Colour]] = field(default_factory=list)


def draw_figure(performance: Performance, camera: Camera, clothes: Clothes, light: float) -> list[Part]:
    """Return the figure's parts at N instants; `light` is the side the light comes from, -1 left to 1 right."""
    return _Tailor(performance, camera, clothes, light).parts()


class _Tailor:
    def __init__(self, performance: Performance, camera: Camera, clothes: Clothes, light: float) -> None:
        self.body: Body = performance.body
        self.camera, self.clothes, self.joints = camera, clothes, performance.joints
        self.places, self.near = camera.project(performance.joints)
        self.metre = camera.zoom * camera.scale  # (N,) pixels
        self.thick = performance.body.girth**0.6 * performance.body.stature / 1.75
        self.glow = np.array([0.28 * light, -0.22])
        self.trunk_near = (self.near[:, JOINT["pelvis"]] + self.near[:, JOINT["neck"]]) / 2
        across = self._at("left_shoulder") - self._at("right_shoulder")
        self.across = across / np.maximum(np.sqrt((across * across).sum(-1, keepdims=True)), 1e-9)

    def parts(self) -> list[Part]:
        """All parts, in no order."""
        made = [self._trunk(), self._head()]
        for side in ("left", "right"):
            made += [self._leg(side), self._upper_arm(side), self._forearm(side)]
        if self.clothes.coat > 0:
            made.append(self._skirt())
        if self.clothes.backpack:
            made.append(self._bag(self.clothes.backpack, (-0.165, 0.0, 0.30), (-0.165, 0.0, 0.05), 0.105))
        if self.clothes.shoulder_bag:
            made.append(self._bag(self.clothes.shoulder_bag, (0.0, 0.19, -0.03), (0.0, 0.19, -0.13), 0.085))
        return made

    def _at(self, joint: str) -> Array:
        return self.joints[:, JOINT[joint]]

    def _uv(self, joint: str) -> Array:
        return self.places[:, JOINT[joint]]

    def _leg(self, side: str) -> Part:
        hip, knee, ankle = (self._uv(f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        heel, toe = self._uv(f"{side}_heel"), self._uv(f"{side}_toe")
        near = np.mean([self.near[:, JOINT[f"{side}_{name}"]] for name in ("hip", "knee", "ankle")], axis=0)
        part = Part(np.minimum(near, self.trunk_near + 5) - 20)  # legs go behind trunk and coat
        loose, cloth = self.clothes.looseness, self._distance_tone(self.clothes.trousers, side)
        lower = self._distance_tone(self.clothes.skin, side) if self.clothes.bare_shanks else cloth
        shoe = self._distance_tone(self.clothes.shoes, side)
        up = np.stack([0 * self.metre, -0.028 * self.metre], -1)
        self._capsule(part, heel + up, toe + up * 0.8, 0.036, 0.031, shoe)
        self._capsule(part, ankle, heel + up * 1.3, 0.036, 0.033, shoe)
        slim = 0.8 if self.clothes.bare_shanks else loose
        self._capsule(part, knee, ankle, 0.060 * slim, 0.043 * slim, lower)
        self._capsule(part, hip, knee, 0.083 * loose**0.5, 0.061 * loose, cloth)
        return part

    def _upper_arm(self, side: str) -> Part:
        shoulder, elbow = self._uv(f"{side}_shoulder"), self._uv(f"{side}_elbow")
        part = Part(self._arm_nearness(f"{side}_shoulder", f"{side}_elbow"))
        loose = self.clothes.looseness
        self._capsule(
            part,
            shoulder,
            elbow,
            0.058 * loose,
            0.045 * loose,
            self._distance_tone(self.clothes.top, side),
            0.96,
        )
        return part

    def _forearm(self, side: str) -> Part:
        elbow, wrist = self._uv(f"{side}_elbow"), self._uv(f"{side}_wrist")
        part = Part(self._arm_nearness(f"{side}_elbow", f"{side}_wrist") + 0.02)
        skin = self._distance_tone(self.clothes.skin, side)
        bare, loose = self.clothes.bare_forearms, self.clothes.looseness
        along = self._at(f"{side}_wrist") - self._at(f"{side}_elbow")
        tip, _ = self.camera.project(
            self._at(f"{side}_wrist") + along * (self.body.hand * 0.85 / self.body.forearm)
        )
        self._capsule(part, wrist, tip, 0.036, 0.040, skin)
        sleeve = skin if bare else self._distance_tone(self.clothes.top, side)
        width = 0.9 if bare else loose
        self._capsule(part, elbow, wrist, 0.045 * width, 0.036 * width, sleeve, 0.96)
        return part

    def _arm_nearness(self, first: str, second: str) -> Array:
        """Above the trunk's when the limb's middle is nearer than its surface, below it when farther."""
        middle = (self.near[:, JOINT[first]] + self.near[:, JOINT[second]]) / 2
        return self.trunk_near + (middle - self.trunk_near) + 0.04

    def _distance_tone(self, colour: Colour, side: str) -> Colour:
        """A limb that is mostly on the far side lies in the body's shade."""
        offset = float(np.median(self.near[:, JOINT[f"{side}_hip"]] - self.near[:, JOINT["pelvis"]]))
        return shaded(colour, float(np.clip(0.93 + 1.4 * offset, 0.78, 1.05)))

    def _trunk(self) -> Part:
        part = Part(self.trunk_near)
        body, wide = self.body, self.thick * self.clothes.looseness**0.5
        spine = self._at("neck") - self._at("pelvis")
        # height along the spine, half width and half depth in metres
        half = body.half_shoulders
        cuts = [
            (-0.16, 0.105, 0.085), (-0.03, 0.165, 0.115), (0.12, 0.160, 0.115), (0.38, 0.145, 0.105),
            (0.70, half * 0.92, 0.122), (0.92, half * 0.98, 0.105), (1.03, half * 0.72, 0.075), (1.09, 0.055, 0.055),
        ]  # fmt: skip
        turned = np.abs(self.across[:, 0])
        centres, widths = [], []
        for height, width, depth in cuts:
            place, _ = self.camera.project(self._at("pelvis") + spine * height)
            centres.append(place)
            width = width if height > 0.5 else width * wide
            widths.append(np.sqrt((width * turned) ** 2 + (depth * wide) ** 2 * (1 - turned**2)) * self.metre)
        middle, span = np.stack(centres, 1), np.stack(widths, 1)
        top, trousers = self.clothes.top, self.clothes.trousers
        coat = self.clothes.coat > 0
        self._slab(part, middle[:, :3], span[:, :3], top if coat else trousers)
        self._slab(part, middle[:, 2 if not coat else 1 :], span[:, 2 if not coat else 1 :], top)
        if self.clothes.stripe:
            self._slab(part, middle[:, 4:6], span[:, 4:6] * 0.99, self.clothes.stripe)
        return part

    def _slab(self, part: Part, middle: Array, span: Array, colour: Colour) -> None:
        """A stack of cross-sections, in three tones from the shaded edge to the lit core."""
        axis = middle[:, -1] - middle[:, 0]
        axis = axis / np.maximum(np.sqrt((axis * axis).sum(-1, keepdims=True)), 1e-9)
        side = np.stack([-axis[:, 1], axis[:, 0]], -1)[:, None]
        for narrow, tone in ((1.0, 0.76), (0.82, 0.92), (0.5, 1.05)):
            shift = middle + self.glow * (1 - narrow) * span[..., None] * np.array([2.4, 0.0])
            edge = side * span[..., None] * narrow
            ring = np.concatenate([shift + edge, (shift - edge)[:, ::-1]], 1)
            part.shapes.append((ring, shaded(colour, tone)))

    def _skirt(self) -> Part:
        """The lower half of a coat: from the waist to the thighs, as wide as the legs are apart."""
        part = Part(self.trunk_near - 0.015)
        reach = self.clothes.coat
        down = [self._uv(f"{s}_hip") * (1 - reach) + self._uv(f"{s}_knee") * reach for s in ("left", "right")]
        left, right = np.minimum(*[d[:, 0] for d in down]), np.maximum(*[d[:, 0] for d in down])
        low = np.maximum(*[d[:, 1] for d in down])
        pelvis = self._uv("pelvis")
        flare = 0.118 * self.thick * self.metre
        waist = 0.135 * self.thick * self.metre
        for narrow, tone in ((1.0, 0.74), (0.6, 0.9)):
            x = [pelvis[:, 0] - waist * narrow, pelvis[:, 0] + waist * narrow]
            centre, span = (left + right) / 2, ((right - left) / 2 + flare) * narrow
            top = pelvis[:, 1] - 0.14 * self.metre
            corners = [(x[0], top), (x[1], top), (centre + span, low), (centre - span, low)]
            part.shapes.append(
                (np.stack([np.stack(c, -1) for c in corners], 1), shaded(self.clothes.top, tone))
            )
        return part

    def _bag(self, colour: Colour, top: tuple[float, ...], bottom: tuple[float, ...], radius: float) -> Part:
        """A bag that hangs at fixed places of the trunk: forward, left and up from pelvis, in metres."""
        forward = np.stack([self.across[:, 1], -self.across[:, 0], 0 * self.across[:, 0]], -1)
        ends = []
        for ahead, left, up in (top, bottom):
            place = self._at("pelvis") + forward * ahead + self.across * left
            place = place + (self._at("neck") - self._at("pelvis")) * (up / self.body.trunk)
            ends.append(self.camera.project(place))
        part = Part((ends[0][1] + ends[1][1]) / 2 + 0.06)
        self._capsule(part, ends[0][0], ends[1][0], radius, radius * 1.1, colour)
        return part

    def _head(self) -> Part:
        part = Part(self.trunk_near + 0.05)
        head, neck, metre = self._uv("head"), self._uv("neck"), self.metre
        tall, wide = 0.064 * self.body.stature, 0.049 * self.body.stature
        look = np.stack([self.across[:, 1], -self.across[:, 0]], -1)  # (right, away)
        facing, ahead = -look[:, 1], look[:, 0]
        self._capsule(part, neck, head, 0.052, 0.048, shaded(self.clothes.skin, 0.86))
        zero = 0 * metre
        if self.clothes.long_hair:
            back = np.stack([-0.07 * ahead * metre, 0.09 * metre], -1)
            self._ellipse(
                part, head + back * 0.75, 0.075 * metre, 0.13 * metre, shaded(self.clothes.hair, 0.9)
            )
        self._ellipse(part, head, (wide + 0.012 * np.abs(ahead)) * metre, tall * metre, self.clothes.hair)
        face = np.stack([0.034 * ahead * metre, (0.020 + 0.006 * np.abs(ahead)) * metre], -1)
        shown = np.clip(0.55 + 0.75 * facing, 0, 0.86) + 0.12 * np.abs(ahead)
        self._ellipse(part, head + face, wide * 0.98 * shown * metre, tall * 0.80 * metre, self.clothes.skin)
        lit = (
            face
            + self.glow * np.stack([0.03 * metre, 0.02 * metre], -1)
            + np.stack([0.014 * ahead * metre, zero], -1)
        )
        bright = shaded(self.clothes.skin, 1.1)
        self._ellipse(part, head + lit, wide * 0.62 * shown * metre, tall * 0.5 * metre, bright)
        eyes = np.stack([0.058 * ahead * metre, zero], -1)
        dark = shaded(self.clothes.skin, 0.62)
        self._ellipse(
            part, head + eyes, wide * (0.62 - 0.3 * np.abs(ahead)) * shown * metre, 0.010 * metre, dark
        )
        if self.clothes.hat:
            crown = np.stack([zero, -0.062 * metre], -1)
            self._ellipse(part, head + crown, (wide + 0.014) * metre, 0.058 * metre, self.clothes.hat)
            peak = np.stack([0.075 * ahead * metre, -0.035 * metre], -1)
            self._ellipse(part, head + peak, 0.062 * metre, 0.018 * metre, shaded(self.clothes.hat, 0.75))
        return part

    def _capsule(
        self,
        part: Part,
        start: Array,
        end: Array,
        first: float,
        last: float,
        colour: Colour,
        tone: float = 1.0,
    ) -> None:
        """A limb with rounded ends of radius `first` and `last` metres: a dark rim and a lit core."""
        first_px, last_px = first * self.thick * self.metre, last * self.thick * self.metre
        part.shapes.append((capsule(start, end, first_px, last_px), shaded(colour, 0.78 * tone)))
        shift = self.glow * first_px[:, None]
        core = capsule(start + shift, end + shift * 0.8, first_px * 0.62, last_px * 0.62)
        part.shapes.append((core, shaded(colour, 1.04 * tone)))

    def _ellipse(self, part: Part, centre: Array, across: Array, upward: Array, colour: Colour) -> None:
        ring = np.stack([np.cos(_CIRCLE) * across[:, None], np.sin(_CIRCLE) * upward[:, None]], -1)
        part.shapes.append((centre[:, None] + ring, colour))


def capsule(start: Array, end: Array, first: Array, last: Array) -> Array:
    """Return outlines (N, 14, 2) of capsules between points (N, 2) with end radii (N,), all in pixels."""
    along = end - start
    length = np.sqrt((along * along).sum(-1))
    angle = np.where(length > 1e-6, np.arctan2(along[:, 1], along[:, 0]), 0.0)[:, None]
    far = np.stack([np.cos(angle + _ARC), np.sin(angle + _ARC)], -1) * last[:, None, None]
    near = np.stack([np.cos(angle + np.pi + _ARC), np.sin(angle + np.pi + _ARC)], -1) * first[:, None, None]
    return np.concatenate([end[:, None] + far, start[:, None] + near], 1)
