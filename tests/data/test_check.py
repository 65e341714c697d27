"""The check: every kind of broken video is found, named with its reason, and can be left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import Manifest, check, read_data
from kinema.errors import DataError, UsageError

MakeVideo = Callable[..., Path]


def _found(manifest: Manifest, **settings: object) -> dict[str, list[tuple[str, bool]]]:
    report = check(manifest, workers=2, **settings)  # type: ignore[arg-type]
    return {o.segment.name: [(f.kind, f.warning) for f in o.findings] for o in report.outcomes if o.findings}


def test_each_kind_of_broken_file(tmp_path: Path, make_video: MakeVideo) -> None:
    good = make_video("run/gööd 'one'.mp4")
    make_video("run/short.mp4", frames=2)
    make_video("run/black.mp4", black=True)
    shutil.copy(good, tmp_path / "run/zz copy.mp4")
    (tmp_path / "run/zero.mp4").write_bytes(b"")
    (tmp_path / "run/text.mp4").write_text("not a video at all\n" * 50)
    cut = make_video("run/cut.mp4", frames=60).read_bytes()
    (tmp_path / "run/cut.mp4").write_bytes(cut[: len(cut) // 2])
    _audio(tmp_path / "run/audio.mp4")
    (tmp_path / "run/gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    manifest = read_data(tmp_path)
    found = _found(manifest)
    assert found == {
        "run/short.mp4": [("too short", False)],
        "run/black.mp4": [("black", True)],
        "run/zz copy.mp4": [("duplicate", False)],
        "run/zero.mp4": [("empty", False)],
        "run/text.mp4": [("unreadable", False)],
        "run/cut.mp4": [("truncated", False), ("damaged", True)],
        "run/audio.mp4": [("no video stream", False)],
        "run/gone.mp4": [("missing", False)],
    }
    report = check(manifest)
    assert report.clean().table["video"].tolist() == ["run/black.mp4", "run/gööd 'one'.mp4"]
    assert (
        "9 clips of 9 videos decoded" in report.text() and "1 good, 1 with a warning, 7 bad" in report.text()
    )
    table = report.table().set_index("video")
    assert table.loc["run/gööd 'one'.mp4", ["status", "frames", "seconds"]].tolist() == ["good", 10, 1.0]
    assert table.loc["run/zz copy.mp4", "reason"] == "the same pictures as run/gööd 'one'.mp4"
    assert all(
        "\n" not in f.reason and str(tmp_path) not in f.reason for o in report.outcomes for f in o.findings
    )


def _audio(path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def test_ranges_before_the_cut_of_a_truncated_video_can_be_used(
    tmp_path: Path, make_video: MakeVideo
) -> None:
    whole = make_video("a.mp4", frames=80)
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    table = {"video": ["a.mp4"] * 3, "start": [None, 0, 6], "end": [None, 1, 8], "label": ["x", "y", "z"]}
    whole_video, early, late = check(Manifest(table, root=tmp_path)).outcomes
    assert [f.kind for f in whole_video.findings if not f.warning] == ["truncated"]
    assert early.status == "warning" and early.frames == 10
    assert late.status == "bad" and late.frames == 0


def test_segments_of_one_video(tmp_path: Path, make_video: MakeVideo) -> None:
    make_video("v.mp4", frames=30)  # 3 s at 10 fps
    table = {
        "video": ["v.mp4"] * 6,
        "start": [0.0, 0.5, 2.5, 2.5, 9.0, 1.0],
        "end": [1.0, 2.0, 3.4, 6.0, 12.0, 1.1],
        "label": list("abcdef"),
    }
    outcomes = check(Manifest(table, root=tmp_path)).outcomes
    assert [o.frames for o in outcomes] == [10, 15, 5, 5, 0, 1]
    kinds = [[(f.kind, f.warning) for f in o.findings] for o in outcomes]
    assert kinds == [
        [], [], [("beyond the end", True)], [("beyond the end", False)], [("no frames", False)], [("too short", False)],
    ]  # fmt: skip
    assert outcomes[3].findings[0].reason == "ends at 6 s, the video at 3.00 s"


def test_copies_under_two_labels_are_all_bad(tmp_path: Path, make_video: MakeVideo) -> None:
    shutil.copytree(make_video("run/a.mp4").parent, tmp_path / "sit")
    report = check(read_data(tmp_path))
    assert [f.reason for o in report.outcomes for f in o.findings] == [
        "the same pictures as sit/a.mp4, under the labels 'run', 'sit'",
        "the same pictures as run/a.mp4, under the labels 'run', 'sit'",
    ]
    with pytest.raises(DataError, match="no clip is left after the check"):
        report.clean()


def test_copies_in_two_splits_are_reported_as_leaks(tmp_path: Path, make_video: MakeVideo) -> None:
    shutil.copytree(make_video("train/x/a.mp4").parent, tmp_path / "test/x")
    assert "leak  the same file content is in train and test" in check(read_data(tmp_path)).text()


def test_still_pictures_and_limits(tmp_path: Path, make_video: MakeVideo) -> None:
    make_video("v.mp4", frames=10)
    manifest = read_data(tmp_path)
    assert _found(manifest, min_frames=10, min_seconds=1.0) == {}
    assert _found(manifest, min_frames=11) == {"v.mp4": [("too short", False)]}
    assert _found(manifest, min_seconds=1.01) == {"v.mp4": [("too short", False)]}
    with pytest.raises(UsageError, match="workers must be at least 1"):
        check(manifest, workers=0)


def test_progress_counts_videos(tmp_path: Path, make_video: MakeVideo) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        make_video(name)
    seen: list[tuple[int, int]] = []
    check(read_data(tmp_path), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_frame_folders_use_their_rate(test_data: Path) -> None:
    report = check(read_data(test_data / "seals", fps=5.0))
    assert sum(o.frames for o in report.outcomes) == 725
    assert sum(o.seconds for o in report.outcomes) == pytest.approx(145.0)
    assert not report.bad


def test_real_clips_are_good(test_data: Path) -> None:
    report = check(read_data(test_data / "ucf101"))
    assert (len(report.outcomes), report.bad, report.leaks) == (38, [], [])
