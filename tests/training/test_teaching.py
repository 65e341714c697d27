"""Teaching from a few takes: what is learned, that no take is tested by what has seen it, and what lies on the disk after."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.errors import DataError, UsageError
from kinema.events import EventRules
from kinema.models import Recognizer
from kinema.training.head_training import HeadTraining
from kinema.training.teaching import Take, TakeFeatures, Taught, teach
from kinema.training.teaching.saving import pack
from kinema.video import VideoWriter

# A tiny network of timm: what is tested is the teaching, not the backbone.
TINY: dict[str, Any] = {
    "clip": {"frames": 5, "fps": 5, "height": 48, "width": 48}, "device": "torch", "backbone": "test_resnet",
    "weights": "none",
}  # fmt: skip


def takes_of(actions: Path, most: int = 4, labels: Sequence[str] = ("move10", "still")) -> list[Take]:
    """Some synthetic takes of each action: a square that moves down, and one that stands."""
    return [
        Take(f"{label} {number}", path, label)
        for label in labels
        for number, path in enumerate(sorted((actions / label).iterdir())[:most])
    ]


@pytest.fixture(scope="module")
def taught(actions: Path, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """Two synthetic actions, four takes each."""
    return teach(takes_of(actions), tmp_path_factory.mktemp("taught") / "two", title="Two actions", **TINY)


def test_every_take_is_tested_once_and_synthetic_squares_are_told_apart(taught: Taught) -> None:
    assert taught.estimate is not None
    assert sorted(answer.take for answer in taught.estimate.answers) == sorted(
        f"{label} {number}" for label in ("move10", "still") for number in range(4)
    )
    assert taught.estimate.right >= 7
    assert list(taught.seconds) == ["features", "estimate", "training", "writing"]


def test_what_was_written_is_a_recognizer_like_any_other(taught: Taught, actions: Path) -> None:
    folder = taught.recognizer.folder
    assert folder is not None
    loaded = Recognizer.load(folder, device="torch", runtime=None)
    assert loaded.classes == ["move10", "still"]
    # A take that it was not taught with.
    assert loaded.predict(sorted((actions / "move10").iterdir())[5]).label == "move10"
    stored = json.loads((folder / "recognizer.json").read_text())
    assert stored["title"] == "Two actions"
    assert stored["provenance"]["train_labels"] == {"move10": 4, "still": 4}
    assert stored["provenance"]["metrics"]["items"] == 8
    assert (
        json.loads((folder / "estimate.json").read_text())["verdict"]["headline"] == taught.verdict.headline
    )
    assert [path.name for path in folder.parent.iterdir()] == ["two"]


def test_no_take_nor_its_mirror_image_trains_the_head_that_tests_it(
    actions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[tuple[list[str], int]] = []
    fit = HeadTraining.fit

    def noting(
        self: HeadTraining, model: Any, train: Sequence[int], valid: Sequence[int], **outside: Any
    ) -> Any:
        assert len(self.mirrored) == len(self.tracks)
        for track, mirrored in zip(self.tracks, self.mirrored, strict=True):
            assert mirrored is not None
            assert mirrored.segment.video == track.segment.video
        names = [str(self.tracks[i].segment.group) for i in train]
        learned.append((names, len(valid)))
        return fit(self, model, train, valid, **outside)

    monkeypatch.setattr(HeadTraining, "fit", noting)
    takes = takes_of(actions, 3)
    teach(takes, tmp_path / "r", **TINY)
    names = {take.name for take in takes}
    held_out = [names - set(seen) for seen, _ in learned]
    assert held_out == [{take.name} for take in takes] + [set()]  # one fold a take, then all of them
    assert {valid for _, valid in learned} == {0}


def test_a_mirrored_window_is_drawn_with_its_take_only(actions: Path) -> None:
    from kinema.training.batches import WindowBatches, Windows
    from kinema.training.settings import TrainSettings

    torch = pytest.importorskip("torch")
    first = np.array([0, 2, 4, 6])
    straight = Windows(torch.arange(6.0)[:, None].half(), first)
    mirrored = Windows(100 + torch.arange(6.0)[:, None].half(), first)
    batches = WindowBatches(
        straight, [0, 2], [0, 1], 2, settings=TrainSettings(windows=50), mirrored=mirrored
    )
    drawn = {float(value) for inputs, _ in batches for value in inputs[:, 0]}
    assert drawn == {0, 1, 4, 5, 100, 101, 104, 105}  # none of track 1: 2, 3, 102, 103


def test_labels_that_nothing_in_the_pictures_explains_are_not_recognized(tmp_path: Path) -> None:
    """Pure noise under two labels: a take that had been seen would be known by heart, and come out right."""
    takes = []
    for number in range(8):
        pictures = np.random.default_rng(number).integers(0, 255, (12, 48, 48, 3), dtype=np.uint8)
        path = tmp_path / f"synthetic-noise{number}.mp4"
        with VideoWriter(path, 10) as out:
            for picture in pictures:
                out.write(picture)
        takes.append(Take(str(number), path, "ab"[number % 2]))
    found = teach(takes, tmp_path / "r", **TINY)
    assert found.estimate is not None
    assert found.estimate.right <= 6
    assert found.verdict.level in ("poor", "fair")


@pytest.mark.parametrize(
    ("labels", "mirror", "flips"),
    [
        (("wave", "clap"), None, True),
        (("swipe left", "swipe right"), None, False),
        (("swipe left", "swipe right"), True, True),
        (("wave", "clap"), False, False),
    ],
)
def test_mirrored_pictures_are_learned_from_unless_a_label_names_a_side(
    labels: tuple[str, str], mirror: bool | None, flips: bool, actions: Path, tmp_path: Path
) -> None:
    renamed = dict(zip(("move10", "still"), labels, strict=True))
    takes = [Take(take.name, take.video, renamed[take.label]) for take in takes_of(actions, 1)]
    found = teach(takes, tmp_path / "r", mirror=mirror, **TINY)
    assert found.recognizer.provenance["mirrored"] is flips
    assert found.estimate is None  # one take of each: nothing could be held out
    assert found.verdict.headline == "Too few takes for an estimate"


def test_nothing_comes_last_and_makes_no_events(actions: Path, tmp_path: Path) -> None:
    takes = [
        Take(take.name, take.video, {"still": "nothing"}.get(take.label, take.label))
        for take in takes_of(actions, 2, ("still", "move10", "move2"))
    ]
    found = teach(takes, tmp_path / "r", **TINY)
    assert found.recognizer.classes == ["move10", "move2", "nothing"]
    rules = EventRules.of(tmp_path / "r")
    assert rules.alerting(found.recognizer.classes) == ["move10", "move2"]
    assert rules.lag == 0.5  # half of five pictures at five a second


def test_teaching_again_replaces_the_recognizer_and_leaves_nothing_half_written(
    actions: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "taught" / "mine"
    left = tmp_path / "taught" / ".mine.buildingkilled"
    (left / "new").mkdir(parents=True)  # of a process that was killed
    teach(takes_of(actions, 1), folder, **TINY)
    teach(takes_of(actions, 1, ("move2", "still")), folder, **TINY)
    assert Recognizer.load(folder, device="torch", runtime=None).classes == ["move2", "still"]
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_a_take_that_cannot_be_read_is_left_out_and_named(actions: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    found = teach([*takes_of(actions, 2), Take("broken", broken, "still")], tmp_path / "r", **TINY)
    assert found.estimate is not None
    assert found.estimate.total == 4
    assert len(found.problems) == 1
    assert "broken.mp4" in found.problems[0]


@pytest.mark.parametrize(
    ("labels", "error", "said"),
    [
        (["wave", "wave"], DataError, "Name a second action"),
        (["wave", "frame"], UsageError, "taken by kinema's tables"),
        (["wave", " clap"], UsageError, "write this action as 'clap'"),
    ],
)
def test_what_cannot_be_taught_is_said_before_anything_is_opened(
    labels: list[str], error: type[Exception], said: str, tmp_path: Path
) -> None:
    takes = [Take(str(i), tmp_path / f"{i}.mp4", label) for i, label in enumerate(labels)]
    with pytest.raises(error, match=said):
        teach(takes, tmp_path / "r", **TINY)
    assert not (tmp_path / "r").exists()


def test_an_action_whose_takes_all_fail_is_named(actions: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    takes = [*takes_of(actions, 2), Take("broken", broken, "wave")]
    with pytest.raises(DataError, match=r"Record takes of 'wave'\."):
        teach(takes, tmp_path / "r", **TINY)


def test_features_that_were_computed_before_are_not_computed_again(
    actions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "cache"))
    weights = (
        tmp_path / "weights.safetensors"
    )  # the same network in both: random weights differ from call to call
    import torch
    from safetensors.torch import save_file

    from kinema.models import FrameBackbone

    torch.manual_seed(5)
    network = FrameBackbone("test_resnet", "none").network
    save_file(network.state_dict(), str(weights))
    tiny = {**TINY, "weights": str(weights)}
    takes = takes_of(actions, 2)
    assert TakeFeatures(**tiny).compute([take.video for take in takes], mirrored=True) == []
    before = sorted((tmp_path / "cache" / "features").rglob("*.npy"))
    assert len(before) == 3 * 2 * 4  # features, times and frames of four takes and their mirror images
    teach(takes, tmp_path / "r", **tiny)
    assert sorted((tmp_path / "cache" / "features").rglob("*.npy")) == before


def test_progress_rises_to_its_end_and_can_stop_the_teaching(actions: Path, tmp_path: Path) -> None:
    heard: list[float] = []
    teach(takes_of(actions, 2), tmp_path / "r", tell=lambda share, text: heard.append(share), **TINY)
    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (0.0, 1.0)

    class StopError(Exception):
        pass

    def stop(share: float, text: str) -> None:
        if share > 0.5:
            raise StopError

    with pytest.raises(StopError):
        teach(takes_of(actions, 2), tmp_path / "stopped", tell=stop, **TINY)
    assert not (tmp_path / "stopped").exists()


def test_the_zip_holds_a_recognizer_that_loads_and_says_how_to_use_it(taught: Taught, tmp_path: Path) -> None:
    assert taught.recognizer.folder is not None
    path = pack(taught.recognizer.folder, tmp_path / "r.zip", "two-1", "Two actions")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")
    assert Recognizer.load(tmp_path / "out" / "two-1", device="torch", runtime=None).classes == [
        "move10",
        "still",
    ]
    text = (tmp_path / "out" / "two-1" / "README.txt").read_text()
    assert 'kinema watch "two-1" 0' in text
    assert taught.verdict.headline in text


def test_real_clips_of_two_actions_are_told_apart(test_data: Path, tmp_path: Path) -> None:
    """UT-Interaction, four clips of each of two actions, the default backbone: what a user's first try looks like."""
    takes = [
        Take(path.stem, path, label)
        for label in ("hand_shaking", "pushing")
        for path in sorted((test_data / "ut-interaction" / label).glob("set1_*.avi"))[:4]
    ]
    found = teach(takes, tmp_path / "r")
    assert found.estimate is not None
    assert found.estimate.total == 8
    assert found.estimate.right >= 6
