"""`kinema data labels`: what is typed, what is written, what is printed, and the exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kinema.cli.data import app
from kinema.data import Manifest
from kinema.errors import DataError, UsageError

TIMES = "video,time_start,time_end,label\nv,00:00:00,00:00:01,walk\nv,00:00:02,00:00:03,sit\n"


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["labels", *(str(argument) for argument in arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def times(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """A table beside a synthetic video of 3.0 s."""
    make_video("v.mp4", frames=30)
    (tmp_path / "times.csv").write_text(TIMES)
    return tmp_path / "times.csv"


def test_there_and_back(times: Path, tmp_path: Path) -> None:
    out = tmp_path / "out/labels.csv"
    result = _run(times, "--fps", 2, "--out", out, "--background", "other")
    assert result.exit_code == 0
    assert out.read_text() == (
        "video,frame,label\nv,v_00001.jpg,walk\nv,v_00002.jpg,walk\nv,v_00003.jpg,other\nv,v_00004.jpg,other\n"
        "v,v_00005.jpg,sit\nv,v_00006.jpg,sit\n"
    )
    assert "6 frames of 1 video labelled at 2 frames a second" in result.output
    assert result.output.splitlines()[-2:] == [
        f"wrote {out}: 6 frames", f"next: kinema data labels {out} --check FRAMES_FOLDER",
    ]  # fmt: skip
    back = tmp_path / "back.csv"
    result = _run(out, "--segments", "--fps", 2, "--out", back, "--background", "other")
    assert back.read_text() == TIMES
    assert f"wrote {back}: 2 time ranges" in result.output
    made = tmp_path / "m.csv"
    assert CliRunner().invoke(app, ["import", str(back), "--out", str(made)]).exit_code == 0
    assert Manifest.read(made).table[["video", "start", "end", "label"]].values.tolist() == [
        ["v.mp4", 0.0, 1.0, "walk"], ["v.mp4", 2.0, 3.0, "sit"],
    ]  # fmt: skip


def test_check_exits_with_3_and_lists_the_differences(
    times: Path, tmp_path: Path, touch: Callable[..., Path]
) -> None:
    labels, frames, listed = tmp_path / "labels.csv", tmp_path / "my frames", tmp_path / "d.csv"
    _run(times, "--fps", 2, "--out", labels)
    touch(*[f"my frames/v/v_0000{n}.jpg" for n in (1, 2, 5, 6)])
    result = _run(labels, "--check", frames)
    assert result.exit_code == 3
    assert result.output.splitlines()[:2] == [
        "4 labels against 4 images: 1 difference",
        "  1 gap: v (numbers 3 to 4 (2))",
    ]
    touch("my frames/v/v_00003.jpg", "my frames/v/v_00004.jpg")
    result = _run(labels, "--check", frames, "--out", listed)
    assert result.exit_code == 3
    assert listed.read_text() == (
        "problem,video,frame,detail\nmissing label,v,v_00003.jpg,\nmissing label,v,v_00004.jpg,\n"
    )
    assert f"wrote {listed}: 2 differences" in result.output
    _run(times, "--fps", 2, "--out", labels, "--background", "other")
    result = _run(labels, "--check", frames)
    assert result.exit_code == 0
    assert "each frame has one label, and each label one frame" in result.output
    assert (
        f"next: cp {labels} '{frames}/labels.csv' && kinema data import '{frames}/labels.csv' --fps"
        in result.output
    )
    (frames / "labels.csv").write_text("another")
    assert f"cp {labels} '{frames}/labels-checked.csv' && " in _run(labels, "--check", frames).output


def test_overlaps(times: Path, tmp_path: Path) -> None:
    times.write_text(TIMES + "v,0.5,1.5,run\n")
    out = tmp_path / "labels.csv"
    with pytest.raises(
        DataError, match=r"times\.csv: .* times\.csv line 2 'walk' and times\.csv line 4 'run' of v\.mp4"
    ):
        _run(times, "--fps", 2, "--out", out)
    assert not out.exists()
    result = _run(times, "--fps", 2, "--out", out, "--overlap", "first")
    assert "1 overlap, the first range wins" in result.output
    assert "walk  2 frames\nsit   2 frames\nrun   1 frame\n" in result.output


def test_a_tier_of_an_elan_file(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    make_video("v.mp4", frames=30)
    tiers = "".join(
        f'<TIER TIER_ID="{name}"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" TIME_SLOT_REF1="t1" '
        f'TIME_SLOT_REF2="t2"><ANNOTATION_VALUE>{name}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>'
        for name in ("hands", "feet")
    )
    slots = '<TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="1000"/>'
    (tmp_path / "v.eaf").write_text(
        f'<ANNOTATION_DOCUMENT FORMAT="3.0"><TIME_ORDER>{slots}</TIME_ORDER>{tiers}</ANNOTATION_DOCUMENT>'
    )
    out = tmp_path / "labels.csv"
    _run(tmp_path / "v.eaf", "--tier", "feet", "--fps", 2, "--out", out)
    assert out.read_text() == "video,frame,label\nv,v_00001.jpg,feet\nv,v_00002.jpg,feet\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --fps, the frames a second; or --check FOLDER"),
        (["--fps", "5"], "give --out, the table to write"),
        (["--check", ".", "--fps", "5"], "--check compares frames with labels and takes no --fps"),
        (["--segments", "--fps", "5", "--out", "x.csv", "--tier", "a"], "--segments reads labels of frames and takes no --tier"),
        (["--fps", "0", "--out", "x.csv"], "fps must be a positive number"),
        (["--fps", "5", "--out", "x.csv", "--overlap", "any"], "overlap must be one of error, first, last"),
        (["--fps", "5", "--out", "x.csv", "--tier", "a"], "read as timestamps, which has no option 'tier'"),
    ],
)  # fmt: skip
def test_wrong_usage(times: Path, options: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _run(times, *options)


def test_frame_labels_are_wanted_for_the_way_back(times: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"times\.csv: the column 'frame' is missing"):
        _run(times, "--segments", "--fps", 5, "--out", tmp_path / "x.csv")
