"""What lists name and a manifest lacks: all of it is listed with its line, in every format, and can be written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from kinema.cli.data import app
from kinema.data import Manifest, read_data
from kinema.errors import UsageError

Touch = Callable[..., Path]
MakeVideo = Callable[..., Path]
A, B = "--07WQ2iBlw", "WUzgd7C1pWA"


def _absent(manifest: Manifest) -> list[list[str | None]]:
    assert manifest.absent.columns.tolist() == ["place", "path", "label", "why"]
    return manifest.absent.values.tolist()


def _write(root: Path, **texts: str) -> None:
    for name, text in texts.items():
        file = root / name.replace("__", "/").replace("_txt", ".txt").replace("_csv", ".csv")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def test_ucf101(tmp_path: Path, touch: Touch) -> None:
    touch("Bow/a.avi")
    _write(
        tmp_path,
        ucfTrainTestlist__trainlist01_txt="Bow/a.avi 1\n\nBow/b.avi 1\n" + "".join(f"Box/{n}.avi 2\n" for n in range(9)),
        ucfTrainTestlist__testlist01_txt="Box/z.avi\n",
    )  # fmt: skip
    absent = _absent(read_data(tmp_path))
    assert len(absent) == 11
    assert absent[0] == ["trainlist01.txt line 3", "Bow/b.avi", "Bow", "not there"]
    assert absent[9] == ["trainlist01.txt line 12", "Box/8.avi", "Box", "not there"]
    assert absent[10] == ["testlist01.txt line 1", "Box/z.avi", "Box", "not there"]


def test_hmdb51(tmp_path: Path, touch: Touch) -> None:
    touch("wave/a.avi")
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    (lists / "wave_test_split1.txt").write_text("a.avi 1\nunused.avi 0\nb.avi 2\n")
    # A video that the fold leaves unused is none that the fold lacks.
    assert _absent(read_data(tmp_path)) == [
        ["wave_test_split1.txt line 3", "wave/b.avi", "wave", "not there"]
    ]


def test_kth(tmp_path: Path, make_video: MakeVideo) -> None:
    make_video("person22_jogging_d2_uncomp.mp4", frames=10)
    (tmp_path / "00sequences.txt").write_text(
        "person02_boxing_d1 frames 1-9\nperson22_jogging_d2 frames 1-6, 3-5, 30-40\n"
    )
    assert _absent(read_data(tmp_path)) == [
        ["00sequences.txt line 1", "person02_boxing_d1_uncomp.avi", "boxing", "not there"],
        ["00sequences.txt line 2", "person22_jogging_d2_uncomp.mp4", "jogging", "the range 3-5 lies inside an earlier one"],
        ["00sequences.txt line 2", "person22_jogging_d2_uncomp.mp4", "jogging", "the range 30-40 is past the end, frame 10"],
    ]  # fmt: skip


def test_kinetics(tmp_path: Path, touch: Touch) -> None:
    touch(f"{A}_000001_000011.mp4")
    (tmp_path / "list.csv").write_text(
        f'label,youtube_id,time_start,time_end\n"a\nb",{A},1,11\nrun,{B},2.5,12.5\nrun,#NAME?,1,11\n'
    )
    # The first row ends on line 3: its label holds a line end.
    assert _absent(read_data(tmp_path)) == [
        ["list.csv line 4", f"{B}_000002.500_000012.500.mp4", "run", "not there"],
        ["list.csv line 5", "#NAME? 1 11", "run", "'#NAME?' is not the id of a video"],
    ]


def test_time_ranges(tmp_path: Path, make_video: MakeVideo) -> None:
    make_video("v.mp4", frames=30)  # 3 s
    (tmp_path / "bad.mp4").write_text("no video")
    rows = ["v,0,1,a", "gone\\w.mp4,0,1,b", "v,2,1,c", "v,5,6,d", "gone\\w.mp4,1,2,e", ",0,1,f", "bad,0,1,g"]
    (tmp_path / "t.csv").write_text("video,time_start,time_end,label\n" + "\n".join(rows) + "\n")
    manifest = read_data(tmp_path / "t.csv")
    absent = _absent(manifest)
    assert absent[:2] == [
        ["t.csv line 3", "gone/w.mp4", "b", "not there"],
        ["t.csv line 6", "gone/w.mp4", "e", "not there"],
    ]
    assert absent[2][:3] == ["t.csv line 8", "bad", "g"]
    assert absent[3:] == [
        ["t.csv line 4", "v", "c", "the end 1 is before the start 2; swap or correct the times"],
        ["t.csv line 7", "", "f", "no video is named"],
        ["t.csv line 5", "v", "d", "starts at 5 s, the video ends at 3.00 s"],
    ]
    assert manifest.filter(label="a").absent.equals(manifest.absent)


def test_labels_of_frames(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    for n in (1, 2):
        cv2.imwrite(str(tmp_path / f"f/f_{n}.jpg"), np.zeros((8, 8, 3), np.uint8))
    rows = ["f,f_1.jpg,a", "f,f_2.jpg,a", "f,f_2.jpg,b", "f,f_3.jpg,a", "g,g_1.jpg,a"]
    (tmp_path / "labels.csv").write_text("video,frame,label\n" + "\n".join(rows) + "\n")
    assert _absent(read_data(tmp_path)) == [
        ["labels.csv line 5", "f/f_3.jpg", "a", "not there"],
        ["labels.csv line 6", "g/g_1.jpg", "a", "not there"],
        ["labels.csv line 3", "f/f_2.jpg", "a", "two labels or splits"],
        ["labels.csv line 4", "f/f_2.jpg", "b", "two labels or splits"],
    ]


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_import_says_how_to_get_the_whole_list_and_writes_it(tmp_path: Path, touch: Touch) -> None:
    touch("Bow/a.avi", "plain/Bow/a.avi")
    _write(
        tmp_path,
        ucfTrainTestlist__trainlist01_txt="Bow/a.avi 1\n" + "".join(f"Bow/{n}, x.avi 1\n" for n in range(7)),
        ucfTrainTestlist__testlist01_txt="Bow/t.avi\n",
    )
    out, absent = tmp_path / "m.csv", tmp_path / "absent.csv"
    text = _run("import", tmp_path, "--out", out).output
    assert "8 listed videos and ranges absent from the manifest; all of them: add --absent absent.csv" in text
    assert not absent.exists()
    text = _run("import", tmp_path, "--out", out, "--absent", absent).output
    assert f"8 listed videos and ranges absent from the manifest: {absent}" in text
    lines = absent.read_text().splitlines()
    assert len(lines) == 9
    assert lines[:2] == ["place,path,label,why", 'trainlist01.txt line 2,"Bow/0, x.avi",Bow,not there']
    with pytest.raises(UsageError, match="--absent and --out name the same file"):
        _run("import", tmp_path, "--out", out, "--absent", out)
    with pytest.raises(UsageError, match=r"absent\.txt: a table is written as \.csv"):
        _run("import", tmp_path, "--out", tmp_path / "n.csv", "--absent", tmp_path / "absent.txt")
    assert not (tmp_path / "n.csv").exists()
    # Nothing is absent: the table says so, and the text says nothing.
    text = _run("import", tmp_path / "plain", "--out", out, "--absent", absent).output
    assert f"0 listed videos and ranges absent from the manifest: {absent}" in text
    assert absent.read_text() == "place,path,label,why\n"
    assert "absent" not in _run("import", tmp_path / "plain", "--out", out).output


def test_the_official_lists(test_data: Path) -> None:
    absent = read_data(test_data / "ucf101").absent
    assert len(absent) == 13_282  # 13,320 videos are in the lists of each fold, 38 are there
    assert absent["label"].nunique() == 101
    assert len(read_data(test_data / "kth").absent) == 596
    falls = read_data(test_data / "falls/annotations").absent
    # 360 ranges are given, 48 become segments.
    assert len(falls) == 312
    assert (falls["why"] == "not there").sum() == 307


_IMPORT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
from kinema.cli.app import main
sys.argv = ["kinema", "data", "import", *sys.argv[1:]]
main()
"""


def test_a_full_disk_leaves_the_old_table_and_nothing_half_written(tmp_path: Path, touch: Touch) -> None:
    touch("data/Bow/a.avi")
    lists = tmp_path / "data/ucfTrainTestlist"
    lists.mkdir()
    lines = [f"Bow/{n:06d}.avi 1\n" for n in range(5000)]  # their table has more than 200 kB
    (lists / "trainlist01.txt").write_text("Bow/a.avi 1\n" + "".join(lines))
    (lists / "testlist01.txt").write_text("Bow/t.avi\n")
    absent = tmp_path / "absent.csv"
    absent.write_text("old\n")
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, tmp_path / "data", "--out", tmp_path / "m.csv", "--absent", absent],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"kinema: {absent}: cannot be written: File too large\n"
    assert absent.read_text() == "old\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["absent.csv", "data"]
