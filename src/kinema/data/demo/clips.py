"""One demo video: who does what where, its frames, and the truth about every frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kinema.data.demo.camera import Image, View, draw_view
from kinema.data.demo.clothes import Clothes, draw_clothes
from kinema.data.demo.performance import (
    BRIDGE,
    GAITS,
    SCRIPT,
    Performance,
    Scene,
    frame_times,
    perform,
    perform_script,
    person,
)
from kinema.data.demo.render import SHUTTER, render, visible
from kinema.data.demo.seeding import ACTIONS, SCENARIOS
from kinema.data.demo.skeleton import JOINTS

FPS = 25
_LONG = 1000  # the take of the untrimmed video; those of clips are smaller


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip's name in the set; everything in it follows from these."""

    seed: int
    subject: int
    action: str
    scenario: str
    seconds: float

    @property
    def name(self) -> str:
        """As KTH names its files, without the suffix.

        >>> Clip(0, 3, "walking", "d2", 3.0).name
        'person03_walking_d2'
        """
        return f"person{self.subject:02d}_{self.action}_{self.scenario}"


@dataclass(frozen=True, slots=True)
class Take:
    """A clip or the long video, ready to be rendered. `performance` holds two instants a frame."""

    subject: int
    performance: Performance
    view: View
    clothes: Clothes

    @property
    def labels(self) -> list[str]:
        """The action of each frame: "none" while nobody acts, or nobody is in the picture for more than a second."""
        shown = visible(self.performance, self.view)
        given = self.performance.labels[::2]
        return _bridged([label if seen else "none" for label, seen in zip(given, shown, strict=True)], given)

    def frames(self) -> Iterator[Image]:
        """Yield the frames, uint8 RGB (120, 160, 3)."""
        return render(self.performance, self.view, self.clothes)

    def truth(self) -> str:
        """Return CSV text, one row a frame.

        Columns: `frame` (from 0), `time` (s), `label`, `subject`, `visible` (the body's middle is in the picture),
        `left_contact` and `right_contact` (the foot bears on the ground), and `JOINT_x`, `JOINT_y` (pixels) of every
        joint, empty where nobody is near.
        """
        places, _ = self.view.camera.project(self.performance.joints[::2])
        shown, contact = visible(self.performance, self.view), self.performance.contact[::2]
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        joints = [f"{joint}_{axis}" for joint in JOINTS for axis in "xy"]
        table.writerow(
            ["frame", "time", "label", "subject", "visible", "left_contact", "right_contact", *joints]
        )
        for frame, label in enumerate(self.labels):
            flat = places[frame].ravel()
            pixels = [f"{value:.2f}" for value in flat] if np.abs(flat).max() < 2000 else [""] * len(flat)
            state = [int(shown[frame]), int(contact[frame, 0]), int(contact[frame, 1])]
            table.writerow([frame, f"{frame / FPS:.2f}", label, f"person{self.subject:02d}", *state, *pixels])
        return text.getvalue()


def compose(clip: Clip) -> Take:
    """Return a clip ready to be rendered."""
    take = SCENARIOS.index(clip.scenario) * len(ACTIONS) + ACTIONS.index(clip.action)
    count = max(2, round(clip.seconds * FPS))
    view, half_width = _view(clip.seed, clip.subject, clip.scenario, take, count)
    instants = frame_times(count, FPS, SHUTTER)
    performance = perform(clip.seed, clip.subject, clip.action, take, instants, half_width)
    return Take(clip.subject, performance, view, draw_clothes(clip.seed, clip.subject, clip.scenario))


def compose_untrimmed(seed: int, subject: int, script: tuple[Scene, ...] = SCRIPT) -> Take:
    """Return the long video: one person, one camera, one action after the other with pauses, no cuts."""
    _, half_width = _view(seed, subject, "d1", _LONG, 2)
    scenes = perform_script(seed, subject, FPS, half_width, script, SHUTTER)
    view, _ = _view(seed, subject, "d1", _LONG, sum(len(scene.labels) for scene in scenes) // 2)
    whole = Performance(
        scenes[0].body,
        np.concatenate([scene.joints for scene in scenes]),
        np.concatenate([scene.contact for scene in scenes]),
        [label for scene in scenes for label in scene.labels],
    )
    return Take(subject, whole, view, draw_clothes(seed, subject, "d1"))


def segments(labels: list[str], fps: float = FPS) -> list[tuple[float, float, str]]:
    """Return the stretches (start, end, label) of equal labels other than "none", in seconds, end exclusive.

    >>> segments(["none", "boxing", "boxing", "none"], fps=2)
    [(0.5, 1.5, 'boxing')]
    """
    found: list[tuple[float, float, str]] = []
    begin = 0
    for frame in range(1, len(labels) + 1):
        if frame == len(labels) or labels[frame] != labels[begin]:
            if labels[begin] != "none":
                found.append((begin / fps, frame / fps, labels[begin]))
            begin = frame
    return found


def _view(seed: int, subject: int, scenario: str, take: int, count: int) -> tuple[View, float]:
    view = draw_view(seed, subject, scenario, take, person(seed, subject).stature, frame_times(count, FPS))
    return view, 80 / (view.camera.scale * float(view.camera.zoom.min()))


def _bridged(labels: list[str], given: list[str]) -> list[str]:
    """Between two passes of the same gait a person is out of the picture for a moment and still runs."""
    result = list(labels)
    stretches: list[tuple[int, int]] = []
    for frame, label in enumerate(labels):
        if label != "none":
            if stretches and stretches[-1][1] == frame:
                stretches[-1] = (stretches[-1][0], frame + 1)
            else:
                stretches.append((frame, frame + 1))
    for (_, end), (begin, _) in pairwise(stretches):
        same = set(given[end - 1 : begin + 1]) == {labels[begin]} and labels[begin] in GAITS
        if same and begin - end <= BRIDGE * FPS:
            result[end:begin] = [labels[begin]] * (begin - end)
    return result


def frame_of(clip: Clip, frame: int) -> NDArray[np.uint8]:
    """Render one frame of a clip alone: the same pixels that the whole clip has there."""
    take = compose(clip)
    view, performance = take.view, take.performance
    camera = replace(
        view.camera, zoom=view.camera.zoom[frame : frame + 1], shake=view.camera.shake[frame : frame + 1]
    )
    view = replace(
        view, camera=camera, gain=view.gain[frame : frame + 1], grain_at=view.grain_at[frame : frame + 1]
    )
    two = slice(2 * frame, 2 * frame + 2)
    performance = replace(
        performance,
        joints=performance.joints[two],
        contact=performance.contact[two],
        labels=performance.labels[two],
    )
    return next(render(performance, view, take.clothes))
