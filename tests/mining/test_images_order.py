"""Which classes are searched for when: a run that is stopped has images of the first, not result pages of all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kinema.mining.images import FolderEngine, FoundImage, PoliteClient, Query, mine_images

pytest.importorskip("imagehash", reason="needs kinema[mining]")


class Searched(FolderEngine):
    """A folder that notes what it is searched for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[str] = []

    def search(self, query: Query, wanted: int) -> Iterator[FoundImage]:
        self.asked.append(query.label)
        return super().search(query, wanted)


def test_later_classes_are_searched_for_when_the_first_have_enough(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    actions = [f"action {number:02}" for number in range(30)]
    for seed, action in enumerate(actions):
        (tmp_path / "photos" / action).mkdir(parents=True)
        for picture in range(2 if seed else 1):  # the first never has enough, and holds nobody up
            noise = np.random.default_rng([seed, picture]).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            drawn = Image.fromarray(noise).resize((200, 150), Image.Resampling.BICUBIC)
            drawn.save(tmp_path / "photos" / action / f"{picture}.png")
    engine = Searched(tmp_path / "photos")
    first: list[int] = []

    def note(kept: int, wanted: int, text: str) -> None:
        if kept == 1 and not first:
            first.append(len(engine.asked))

    with closing(PoliteClient(interval=0.0)) as client:
        mined = mine_images(
            actions, tmp_path / "out", [engine], client, per_action=2, workers=1, progress=note
        )

    assert first == [8]  # what one worker has under way
    assert engine.asked == actions
    assert mined.counts == {action: 2 if number else 1 for number, action in enumerate(actions)}
