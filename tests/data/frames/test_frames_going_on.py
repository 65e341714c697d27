"""A run that was stopped goes on; a folder of other things, other settings or another run is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.data import Manifest, read_data
from kinema.data.frames import FrameSettings, extract_frames
from kinema.errors import UsageError

Write = Callable[..., Path]
Rows = Callable[[Path], list[dict[str, str]]]
One = Callable[..., Manifest]


def test_finished_videos_are_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_numbered: Write
) -> None:
    import kinema.data.frames.run as run

    for name in ("a.mp4", "b.mp4", "c.mp4"):
        write_numbered(tmp_path / name, 3)
    opened: list[str] = []

    def counted(video: Path, **options: Any) -> Any:
        opened.append(video.name)
        return real(video, **options)

    real = run.open_source
    monkeypatch.setattr(run, "open_source", counted)
    extract_frames(Manifest({"video": ["a.mp4", "b.mp4"]}, tmp_path), tmp_path / "f")
    assert sorted(opened) == ["a.mp4", "b.mp4"]
    found = extract_frames(Manifest({"video": ["a.mp4", "b.mp4", "c.mp4"]}, tmp_path), tmp_path / "f")
    assert sorted(opened) == ["a.mp4", "b.mp4", "c.mp4"]
    assert (found.images, found.made, found.kept) == (9, 3, 6)
    write_numbered(tmp_path / "b.mp4", 8)
    found = extract_frames(Manifest({"video": ["a.mp4", "b.mp4", "c.mp4"]}, tmp_path), tmp_path / "f")
    assert opened[3:] == ["b.mp4"]
    assert (found.images, found.made) == (14, 8)
    assert "1 clip made anew: the video has changed since" in found.notes
    (tmp_path / "f" / "c" / "c_00002.jpg").unlink()
    extract_frames(Manifest({"video": ["a.mp4", "b.mp4", "c.mp4"]}, tmp_path), tmp_path / "f")
    assert opened[4:] == ["c.mp4"]
    assert (tmp_path / "f" / "c" / "c_00002.jpg").exists()


def test_new_labels_need_no_decoding(tmp_path: Path, write_numbered: Write, rows: Rows) -> None:
    write_numbered(tmp_path / "v.mp4", 3)
    extract_frames(Manifest({"video": ["v.mp4"], "label": ["run"]}, tmp_path), tmp_path / "f")
    found = extract_frames(Manifest({"video": ["v.mp4"], "label": ["sit"]}, tmp_path), tmp_path / "f")
    assert found.made == 0
    assert {row["label"] for row in rows(tmp_path / "f" / "labels.csv")} == {"sit"}


def test_other_settings_or_other_data_are_refused(tmp_path: Path, write_numbered: Write) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_numbered(tmp_path / name, 10)
    first, second = (Manifest({"video": [name], "label": ["run"]}, tmp_path) for name in ("a.mp4", "b.mp4"))
    extract_frames(first, tmp_path / "f", FrameSettings(every=2))
    with pytest.raises(UsageError, match=r"other settings \(every 2 now 3, size None now 16\); give another"):
        extract_frames(first, tmp_path / "f", FrameSettings(every=3, size=16))
    with pytest.raises(UsageError, match=r"frames of 1 clip that this data does not have are here \(a\)"):
        extract_frames(second, tmp_path / "f", FrameSettings(every=2))
    assert len(list((tmp_path / "f" / "a").iterdir())) == 5
    extract_frames(first, tmp_path / "f", FrameSettings(every=5, format="png"), replace=True)
    assert sorted(path.name for path in (tmp_path / "f" / "a").iterdir()) == ["a_00001.png", "a_00002.png"]
    extract_frames(second, tmp_path / "f", FrameSettings(every=5, format="png"), replace=True)
    assert sorted(path.name for path in (tmp_path / "f").glob("[!.]*/")) == ["b"]


def test_a_folder_with_other_things_in_it_is_left_alone(
    tmp_path: Path, write_numbered: Write, one: One
) -> None:
    video = write_numbered(tmp_path / "v.mp4", 3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="this folder holds other files, not frames of an earlier run"):
        extract_frames(one(video), tmp_path / "mine", replace=True)
    with pytest.raises(UsageError, match="this is a file; give a folder"):
        extract_frames(one(video), video)


def test_the_output_must_not_lie_in_the_data(tmp_path: Path, write_numbered: Write) -> None:
    write_numbered(tmp_path / "clips" / "run" / "a.mp4", 3)
    with pytest.raises(UsageError, match="this lies in the data that is read"):
        extract_frames(read_data(tmp_path / "clips"), tmp_path / "clips" / "frames")


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path, write_numbered: Write) -> None:
    write_numbered(tmp_path / "v.mp4", 3)
    extract_frames(Manifest({"video": ["v.mp4"]}, tmp_path), tmp_path / "f", FrameSettings(layout="class"))
    state = tmp_path / "f" / ".frames"
    journal = state / "done.jsonl"
    journal.write_text(journal.read_text()[:-40])  # the line was not written to its end
    (state / "partial" / "000009").mkdir(parents=True)
    (state / "partial" / "000009" / "v_00001.jpg").write_bytes(b"half")
    (tmp_path / "f" / "unlabelled" / "v_00009.jpg").write_bytes(b"of a longer video")
    found = extract_frames(
        Manifest({"video": ["v.mp4"]}, tmp_path), tmp_path / "f", FrameSettings(layout="class")
    )
    assert (found.made, found.kept) == (3, 0)
    assert sorted(path.name for path in (tmp_path / "f" / "unlabelled").iterdir()) == [
        "v_00001.jpg", "v_00002.jpg", "v_00003.jpg",
    ]  # fmt: skip
    assert not (state / "partial" / "000009").exists()
    assert len([json.loads(line) for line in journal.read_text().splitlines()]) == 1


def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path, write_numbered: Write, one: One) -> None:
    video = write_numbered(tmp_path / "v.mp4", 3)
    messages = []

    def again(*_: Any) -> None:
        if not messages:
            with pytest.raises(UsageError) as error:
                extract_frames(one(video), tmp_path / "f")
            messages.append(str(error.value))

    extract_frames(one(video), tmp_path / "f", progress=again)
    assert messages == [f"{tmp_path / 'f'}: another run is writing to this folder; let it finish"]


def test_progress_and_stopping(
    tmp_path: Path, write_numbered: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinema.data.frames.run._LOOK", 0.001)  # long before six such videos are written
    for number in range(6):
        write_numbered(tmp_path / f"{number}.mp4", 200)
    manifest = Manifest({"video": [f"{number}.mp4" for number in range(6)]}, tmp_path)

    def stop(clips: float, total: int, images: int) -> None:
        assert (0 <= clips <= total, total, images % 200) == (True, 6, 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_frames(manifest, tmp_path / "f", workers=1, progress=stop)
    assert not list((tmp_path / "f" / ".frames" / "partial").glob("*"))
    whole = [len(list(path.iterdir())) for path in (tmp_path / "f").glob("[!.]*/")]
    assert set(whole) <= {200}
    seen: list[tuple[float, int, int]] = []
    found = extract_frames(manifest, tmp_path / "f", progress=lambda *numbers: seen.append(numbers))
    assert found.images == 1200
    assert seen[-1][1:] == (6 - len(whole), 1200)
