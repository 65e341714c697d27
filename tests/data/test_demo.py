"""The demo set: honest motion, exact truth, the same pixels every time, and files that are whole or absent."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.data import Manifest, read_data
from kinema.data.demo import (
    ACTIONS,
    SCENARIOS,
    Clip,
    compose,
    compose_untrimmed,
    frame_of,
    render_demo,
    segments,
    split_of,
)
from kinema.data.demo.dataset import plan
from kinema.data.demo.performance import frame_times, perform
from kinema.data.demo.skeleton import JOINT
from kinema.errors import DataError, UsageError

SUBJECTS = range(1, 26)


def movement(subject: int, action: str, seconds: float = 6.0, rate: float = 100.0):
    """A performance over a stage so wide that a pass takes longer than the clip."""
    return perform(0, subject, action, 0, frame_times(round(seconds * rate), rate), 100.0)


def joint(performance, name: str) -> np.ndarray:
    return performance.joints[:, JOINT[name]]


def speed_of(performance, seconds: float) -> float:
    pelvis = joint(performance, "pelvis")
    return float(np.linalg.norm(pelvis[-1, :2] - pelvis[0, :2]) / seconds)


def strikes(contact: np.ndarray) -> int:
    return int((contact[1:] & ~contact[:-1]).sum())


def peaks(signal: np.ndarray, above: float) -> int:
    inside = signal[1:-1]
    return int(((inside > signal[:-2]) & (inside >= signal[2:]) & (inside > above)).sum())


# ranges of the literature named in kinema.data.demo.gait: m/s, steps a second, part of time in flight
@pytest.mark.parametrize(
    ("action", "speeds", "cadences", "flights"),
    [
        ("walking", (1.0, 1.7), (1.5, 2.2), (0.0, 0.0)),
        ("jogging", (2.0, 3.2), (2.3, 3.0), (0.15, 0.32)),
        ("running", (3.8, 5.6), (2.6, 3.4), (0.33, 0.48)),
    ],
)
def test_gaits_keep_the_speeds_cadences_and_flights_of_the_literature(action, speeds, cadences, flights):
    for subject in SUBJECTS:
        done = movement(subject, action)
        steps = (strikes(done.contact[:, 0]) + strikes(done.contact[:, 1])) / 6.0
        flight = float((~done.contact.any(1)).mean())
        assert speeds[0] <= speed_of(done, 6.0) <= speeds[1]
        assert cadences[0] - 0.17 <= steps <= cadences[1] + 0.17  # one step more or less in six seconds
        assert flights[0] <= flight <= flights[1]


def sole_height(done, side: str) -> np.ndarray:
    return np.minimum(joint(done, f"{side}_heel")[:, 2], joint(done, f"{side}_toe")[:, 2])


def test_a_walker_always_has_a_foot_on_the_ground_and_a_runner_leaves_it():
    for subject in SUBJECTS:
        walking = movement(subject, "walking")
        lower = np.minimum(sole_height(walking, "left"), sole_height(walking, "right"))
        assert lower.max() < 0.02
        assert walking.contact.all(1).mean() > 0.10  # both feet for at least a tenth of the time
        running = movement(subject, "running")
        assert np.minimum(sole_height(running, "left"), sole_height(running, "right")).max() > 0.05


@pytest.mark.parametrize("action", ["walking", "jogging", "running"])
def test_a_foot_on_the_ground_neither_slides_nor_sinks(action):
    for subject in (1, 7, 16, 25):
        done = movement(subject, action, rate=200.0)
        for column, side in enumerate(("left", "right")):
            heel, toe = joint(done, f"{side}_heel"), joint(done, f"{side}_toe")
            assert min(heel[:, 2].min(), toe[:, 2].min()) > -0.035
            down = done.contact[:, column]
            lower = np.where((heel[:, 2] < toe[:, 2])[:, None], heel, toe)
            slide = np.linalg.norm(np.diff(lower[:, :2], axis=0), axis=1) * 200.0
            same = (heel[1:, 2] < toe[1:, 2]) == (heel[:-1, 2] < toe[:-1, 2])
            assert (
                np.median(slide[down[1:] & down[:-1] & same]) < 0.25
            )  # m/s, against 1.3 to 5 m/s of the body


def knee_flexion(done) -> np.ndarray:
    thigh = joint(done, "left_knee") - joint(done, "left_hip")
    shank = joint(done, "left_ankle") - joint(done, "left_knee")
    cosine = (thigh * shank).sum(1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(shank, axis=1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_knees_bend_more_from_walking_to_running():
    bend = {
        a: np.mean([knee_flexion(movement(s, a)).max() for s in SUBJECTS])
        for a in ("walking", "jogging", "running")
    }
    assert 55 < bend["walking"] < 75
    assert 85 < bend["jogging"] < 108
    assert 110 < bend["running"] < 132


def test_limbs_keep_their_length():
    for action in ACTIONS:
        done = movement(3, action, seconds=2.0)
        for first, second in (
            ("left_hip", "left_knee"),
            ("right_knee", "right_ankle"),
            ("left_elbow", "left_wrist"),
        ):
            length = np.linalg.norm(joint(done, first) - joint(done, second), axis=1)
            assert np.ptp(length) < 1e-6


def test_rates_of_punches_waves_and_claps():
    for subject in SUBJECTS:
        boxing = movement(subject, "boxing", seconds=10.0)
        reach = [
            np.linalg.norm(joint(boxing, f"{side}_wrist") - joint(boxing, f"{side}_shoulder"), axis=1)
            / boxing.body.stature
            for side in ("left", "right")
        ]
        assert 1.2 <= sum(strikes(r > 0.28) for r in reach) / 10 <= 2.6
        waving = movement(subject, "handwaving", seconds=10.0)
        high = joint(waving, "left_wrist")[:, 2]
        assert high.max() > joint(waving, "head")[:, 2].max()  # overhead
        assert 0.5 <= peaks(high, float(high.mean())) / 10 <= 1.25
        clapping = movement(subject, "handclapping", seconds=10.0)
        apart = np.linalg.norm(joint(clapping, "left_wrist") - joint(clapping, "right_wrist"), axis=1)
        assert apart.min() < 0.11  # wrists; the palms touch
        assert apart.max() > 0.25
        assert 1.1 <= peaks(-apart, -0.12) / 10 <= 2.4


HASH_OF = "import hashlib; from kinema.data.demo import Clip, frame_of; " + (
    "print(hashlib.sha256(frame_of(Clip({seed}, 3, 'jogging', 'd2', 2.0), 10).tobytes()).hexdigest())"
)


def hash_of(seed: int) -> str:
    return hashlib.sha256(frame_of(Clip(seed, 3, "jogging", "d2", 2.0), 10).tobytes()).hexdigest()


def test_a_seed_gives_the_same_pixels_in_every_process_and_another_seed_others():
    again = subprocess.run(
        [sys.executable, "-c", HASH_OF.format(seed=0)], capture_output=True, text=True, check=True
    )
    assert hash_of(0) == hash_of(0) == again.stdout.strip()
    assert hash_of(0) != hash_of(1)


def test_one_frame_alone_equals_that_frame_of_the_clip():
    clip = Clip(0, 5, "boxing", "d4", 0.8)
    frames = list(compose(clip).frames())
    assert len(frames) == 20
    assert frames[7].shape == (120, 160, 3)
    assert frames[7].dtype == np.uint8
    np.testing.assert_array_equal(frames[7], frame_of(clip, 7))


def test_place_and_clothes_do_not_depend_on_the_action():
    """Backgrounds of two actions come from the same draw over kinds of place, so no kind belongs to an action."""
    kinds = Counter()
    for clip in plan(25, 0, SCENARIOS, 2, 2.2, ACTIONS):
        kinds[clip.action, clip.scenario] += 1
    assert set(kinds.values()) <= {12, 13}  # 25 subjects x 2 clips over 4 scenarios
    worn = {compose(Clip(0, 4, action, "d1", 0.4)).clothes for action in ACTIONS}
    assert len(worn) == 1
    assert compose(Clip(0, 4, "boxing", "d3", 0.4)).clothes not in worn


def test_the_body_is_large_enough_and_where_the_truth_says():
    for action in ACTIONS:
        take = compose(Clip(0, 2, action, "d1", 2.0))
        rows = list(csv.DictReader(take.truth().splitlines()))
        assert len(rows) == 50
        assert {row["label"] for row in rows} <= {action, "none"}
        seen = [row for row in rows if row["visible"] == "1"]
        assert len(seen) > 20
        tall = np.median(
            [max(float(r["left_toe_y"]), float(r["right_toe_y"])) - float(r["head_y"]) for r in seen]
        )
        assert 50 < tall < 100
        # the figure moves against a still camera: the pixels around the pelvis differ from the median picture
        frames = np.stack(list(take.frames())).astype(float)
        background = np.median(frames, axis=0)
        if action in ("jogging", "running"):
            row = seen[len(seen) // 2]
            x, y, at = int(float(row["pelvis_x"])), int(float(row["pelvis_y"])), int(row["frame"])
            x = min(max(x, 4), 155)
            patch = np.abs(frames[at] - background)[y - 3 : y + 4, x - 3 : x + 4].mean()
            assert patch > 3 * np.median(np.abs(frames[at] - background))


def test_scale_changes_only_in_d2():
    def zoom(scenario: str) -> float:
        return float(np.ptp(compose(Clip(0, 6, "handwaving", scenario, 3.0)).view.camera.zoom))

    assert zoom("d2") > 0.05
    assert zoom("d1") == zoom("d3") == zoom("d4") == 0.0


def test_segments_of_frame_labels():
    labels = ["none"] * 5 + ["walking"] * 10 + ["boxing"] * 5 + ["none"] * 5 + ["boxing"] * 5
    assert segments(labels, fps=10) == [(0.5, 1.5, "walking"), (1.5, 2.0, "boxing"), (2.5, 3.0, "boxing")]


def take_visible(take) -> np.ndarray:
    return np.array([row["visible"] == "1" for row in csv.DictReader(take.truth().splitlines())])


def test_the_untrimmed_video_shows_every_action_and_pauses():
    take = compose_untrimmed(0, 100)
    labels = take.labels
    assert 60 <= len(labels) / 25 <= 90
    assert set(labels) == {*ACTIONS, "none"}
    counts = Counter(labels)
    assert all(counts[action] >= 4 * 25 for action in ACTIONS)
    assert 0.1 < counts["none"] / len(labels) < 0.45
    for start, end, _ in segments(labels):
        assert end - start >= 0.6
    # nobody appears or vanishes within the picture: a scene of passes begins and ends out of sight
    rows = list(csv.DictReader(take.truth().splitlines()))
    for before, after in pairwise(rows):
        if before["visible"] != after["visible"]:
            x = float((before if before["visible"] == "1" else after)["pelvis_x"])
            assert x < 16 or x > 144
    # nobody jumps: between neighbouring visible frames no joint moves faster than a fist or a foot can (15 m/s)
    joints = take.performance.joints[::2]
    here = take_visible(take)
    moved = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(1)[here[1:] & here[:-1]]
    assert moved.max() * 25 < 15


def test_kth_split_of_subjects():
    assert [n for n in SUBJECTS if split_of(n) == "train"] == [11, 12, 13, 14, 15, 16, 17, 18]
    assert [n for n in SUBJECTS if split_of(n) == "valid"] == [1, 4, 19, 20, 21, 23, 24, 25]
    assert [n for n in SUBJECTS if split_of(n) == "test"] == [2, 3, 5, 6, 7, 8, 9, 10, 22]


SMALL = {
    "subjects": 2,
    "clips_per_subject": 1,
    "seconds": 0.8,
    "actions": ("boxing", "walking"),
    "untrimmed": False,
}


def test_the_folder_is_a_data_set_labelled_as_synthetic(tmp_path: Path):
    seen: list[tuple[int, int]] = []
    manifest = render_demo(tmp_path / "demo", **SMALL, workers=1, progress=lambda *at: seen.append(at))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert isinstance(manifest, Manifest)
    assert manifest.classes == ["boxing", "walking"]
    assert set(manifest.table["group"]) == {"person01", "person02"}
    assert all(str(value) == "True" for value in manifest.table["synthetic"])
    assert set(manifest.table["source"]) == {"synthetic (kinema demo)"}
    assert set(manifest.table["split"]) == {"valid", "test"}
    assert "SYNTHETIC" in (tmp_path / "demo" / "README.txt").read_text()
    for segment in manifest.segments():
        with av.open(str(segment.video)) as container:
            assert container.metadata["comment"] == "synthetic: drawn by kinema demo, not a recording"
            assert container.streams.video[0].average_rate == 25
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(frames) == 20
        assert frames[0].shape == (120, 160, 3)
        truth = tmp_path / "demo" / "truth" / f"{segment.video.stem}.csv"
        assert len(truth.read_text().splitlines()) == 21
    assert read_data(tmp_path / "demo" / "videos").classes == ["boxing", "walking"]


def test_the_encoded_video_is_what_was_drawn(tmp_path: Path):
    manifest = render_demo(tmp_path, **SMALL, workers=1)
    row = manifest.table.iloc[0]
    drawn = frame_of(Clip(0, int(row["subject"]), row["label"], row["scenario"], 0.8), 6)
    with av.open(str(tmp_path / row["video"])) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][6]
    assert np.abs(shown.astype(int) - drawn).mean() < 6


def test_an_interrupted_render_is_finished_by_the_next(tmp_path: Path):
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_demo(tmp_path, **SMALL, workers=1, progress=stop)
    first = sorted(tmp_path.rglob("*.mp4"))
    stamps = {path: path.stat().st_mtime_ns for path in first}
    assert len(first) == 2
    assert not (tmp_path / "manifest.csv").exists()
    assert len(render_demo(tmp_path, **SMALL, workers=1)) == 4
    assert {path: path.stat().st_mtime_ns for path in first} == stamps
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_other_settings_and_other_data_are_refused(tmp_path: Path):
    render_demo(tmp_path / "a", **SMALL, workers=1)
    with pytest.raises(DataError, match="other settings"):
        render_demo(tmp_path / "a", **SMALL, seed=1, workers=1)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest.csv").write_text("video,label\nx.mp4,a\n")
    with pytest.raises(DataError, match="other data"):
        render_demo(tmp_path / "b", **SMALL, workers=1)
    assert (tmp_path / "b" / "manifest.csv").read_text() == "video,label\nx.mp4,a\n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"subjects": 0},
        {"scenarios": ("d9",)},
        {"clips_per_subject": 5},
        {"seconds": 0.1},
        {"actions": ("swimming",)},
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, object]):
    with pytest.raises(UsageError, match="demo"):
        render_demo(tmp_path / "x", **wrong)
    assert not (tmp_path / "x").exists()


def test_a_set_rendered_by_two_processes_equals_one_by_one(tmp_path: Path):
    render_demo(tmp_path / "one", **SMALL, workers=1)
    render_demo(tmp_path / "two", **SMALL, workers=2)
    names = sorted(
        path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()
    )
    assert len(names) == 11  # 4 videos, 4 truths, manifest, README, demo.json
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
