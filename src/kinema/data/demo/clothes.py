"""What people look like: skin, hair and clothes, drawn for each subject without a look at the action."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.data.demo.seeding import CLOTHES, around, between, stream

Colour = tuple[int, int, int]

_SKIN = ((226, 184, 154), (205, 158, 124), (168, 118, 86), (122, 82, 58), (92, 62, 46), (236, 200, 176))
_HAIR = ((32, 26, 24), (64, 44, 30), (104, 74, 44), (172, 138, 84), (120, 118, 116), (128, 62, 34))
_CLOTH = (
    (38, 42, 52), (60, 66, 88), (92, 96, 102), (150, 148, 142), (206, 202, 192), (120, 44, 44),
    (52, 84, 62), (168, 130, 72), (78, 54, 92), (58, 104, 142), (190, 92, 60), (24, 24, 26),
)  # fmt: skip
_TROUSERS = (
    (34, 38, 52),
    (52, 62, 92),
    (84, 82, 80),
    (120, 108, 88),
    (30, 30, 32),
    (96, 104, 120),
    (168, 158, 138),
)
_SHOES = ((28, 26, 26), (202, 200, 196), (92, 66, 48), (70, 76, 88))


@dataclass(frozen=True, slots=True)
class Clothes:
    """Colours (RGB) and cut. Lengths are parts of the limb or of the body they cover."""

    skin: Colour
    hair: Colour
    top: Colour
    trousers: Colour
    shoes: Colour
    stripe: Colour | None  # across the chest
    bare_forearms: bool
    bare_shanks: bool
    long_hair: bool
    hat: Colour | None
    coat: float  # how far down the thigh a coat reaches, 0 for none
    backpack: Colour | None
    shoulder_bag: Colour | None
    looseness: float  # thickness of the clothes, 1 = close


def draw_clothes(seed: int, subject: int, scenario: str) -> Clothes:
    """Return what a subject wears: the same in d1, d2 and d4, something else in d3 (a coat, a bag, a hat …)."""
    rng = stream(seed, CLOTHES, subject)
    skin, hair = _near(rng, _SKIN), _near(rng, _HAIR)
    long_hair = bool(rng.random() < 0.4)
    other = scenario == "d3"
    if other:
        rng = stream(seed, CLOTHES, subject, 1)
    outer = rng.random(4) if other else np.ones(4)
    return Clothes(
        skin=skin, hair=hair, long_hair=long_hair,
        top=_near(rng, _CLOTH), trousers=_near(rng, _TROUSERS), shoes=_near(rng, _SHOES),
        stripe=_near(rng, _CLOTH) if rng.random() < 0.35 else None,
        bare_forearms=bool(rng.random() < (0.1 if other else 0.45)),
        bare_shanks=bool(rng.random() < (0.05 if other else 0.2)),
        hat=_near(rng, _CLOTH) if outer[0] < 0.4 or rng.random() < 0.1 else None,
        coat=between(rng, 0.35, 0.85) if outer[1] < 0.6 else 0.0,
        backpack=_near(rng, _CLOTH) if outer[2] < 0.4 else None,
        shoulder_bag=_near(rng, _CLOTH) if outer[3] < 0.35 else None,
        looseness=between(rng, 1.1, 1.35) if other else between(rng, 0.95, 1.2),
    )  # fmt: skip


def _near(rng: np.random.Generator, palette: tuple[Colour, ...]) -> Colour:
    red, green, blue = palette[int(rng.integers(len(palette)))]
    light = around(rng, 0.0, 7)
    return _bounded(red + light + around(rng, 0, 5), green + light, blue + light + around(rng, 0, 5))


def shaded(colour: Colour, light: float) -> Colour:
    """Return a colour brightened (above 1) or darkened (below 1)."""
    return _bounded(*(part * light for part in colour))


def _bounded(*parts: float) -> Colour:
    red, green, blue = (int(min(255, max(0, round(part)))) for part in parts)
    return red, green, blue
