"""CVAT's XML for video: stretches of tracks, attributes that change, frame steps, tags, projects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import Manifest, read_data
from kinema.errors import DataError, UsageError

TASK = """<task><id>{id}</id><name>job of the day</name><size>30</size><mode>interpolation</mode><overlap>5</overlap>
  <start_frame>0</start_frame><stop_frame>29</stop_frame><frame_filter>{step}</frame_filter>
  <original_size><width>64</width><height>48</height></original_size><source>{video}</source></task>"""


def _box(frame: int, outside: int = 0, action: str = "", **more: object) -> str:
    text = f'<attribute name="action">{action}</attribute>' if action else ""
    return (
        f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" xtl="1.00" ytl="1.00" xbr="9.00" '
        f'ybr="9.00" z_order="0">{text}</box>'
    )


def _document(*parts: str, tasks: str | None = None, step: str = "") -> str:
    tasks = TASK.format(id=5, step=step, video="street.mp4") if tasks is None else tasks
    meta = f"<meta>{tasks}<dumped>2024-05-01 16:05:07.134046+00:00</dumped></meta>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{"".join(parts)}</annotations>'


def _track(number: int, label: str, *shapes: str, more: str = "") -> str:
    return f'<track id="{number}" label="{label}" source="manual"{more}>{"".join(shapes)}</track>'


@pytest.fixture
def write(tmp_path: Path, make_video: Callable[..., Path]) -> Callable[..., Path]:
    """Writes `annotations.xml` beside a synthetic video of 3.0 s at 10 frames a second."""
    make_video("street.mp4", frames=30)

    def put(text: str, name: str = "annotations.xml") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return put


def _rows(manifest: Manifest) -> list[list[object]]:
    return manifest.table[["video", "start", "end", "label"]].values.tolist()


def test_tracks_become_stretches(write: Callable[..., Path]) -> None:
    text = _document(
        _track(0, "walk", _box(0), _box(5), _box(12, 1), _box(20), _box(21), _box(22, 1)),
        _track(1, "sit", _box(25), _box(27)),
    )
    manifest = read_data(write(text))
    assert manifest.source_format == "CVAT"
    assert _rows(manifest) == [
        ["street.mp4", 0.0, 1.2, "walk"], ["street.mp4", 2.0, 2.2, "walk"], ["street.mp4", 2.5, 2.8, "sit"],
    ]  # fmt: skip
    assert manifest.table["track"].tolist() == ["0", "0", "1"]
    assert manifest.table["origin"].tolist()[2] == "annotations.xml track 1"


def test_an_attribute_that_changes(write: Callable[..., Path]) -> None:
    shapes = [
        _box(0, action="walk"),
        _box(4, action="walk"),
        _box(10, action="run"),
        _box(15),
        _box(20, action="run"),
    ]
    path = write(_document(_track(0, "person", *shapes)))
    assert _rows(read_data(path, attribute="action")) == [
        ["street.mp4", 0.0, 1.0, "walk"], ["street.mp4", 1.0, 1.5, "run"], ["street.mp4", 2.0, 2.1, "run"],
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no shape and no tag has the attribute 'mood'"):
        read_data(path, attribute="mood")


def test_every_third_frame(write: Callable[..., Path]) -> None:
    path = write(_document(_track(0, "walk", _box(3), _box(6), _box(9)), step="step=3"))
    assert _rows(read_data(path)) == [["street.mp4", 0.3, 1.2, "walk"]]
    path.write_text(path.read_text().replace("step=3", "every=3"))
    with pytest.raises(DataError, match="the frame_filter 'every=3' is none that CVAT documents"):
        read_data(path)


def test_tags_of_frames(write: Callable[..., Path]) -> None:
    images = "".join(
        f'<image id="{n}" name="frame_{n:06d}" width="64" height="48"><tag label="{label}" source="manual"></tag></image>'
        for n, label in [(0, "day"), (1, "day"), (2, "night"), (3, "night"), (7, "day")]
    )
    assert _rows(read_data(write(_document(images)))) == [
        ["street.mp4", 0.0, 0.2, "day"], ["street.mp4", 0.7, 0.8, "day"], ["street.mp4", 0.2, 0.4, "night"],
    ]  # fmt: skip


def test_skeletons_are_there_while_one_point_is(write: Callable[..., Path]) -> None:
    def skeleton(frame: int, *outside: int) -> str:
        points = "".join(
            f'<points label="{n}" keyframe="1" outside="{away}" occluded="0" points="1.00,2.00"></points>'
            for n, away in enumerate(outside)
        )
        return f'<skeleton frame="{frame}" keyframe="1" z_order="0">{points}</skeleton>'

    path = write(_document(_track(0, "walk", skeleton(0, 0, 0), skeleton(5, 1, 0), skeleton(8, 1, 1))))
    assert _rows(read_data(path)) == [["street.mp4", 0.0, 0.8, "walk"]]


def test_a_project_of_two_tasks(write: Callable[..., Path], make_video: Callable[..., Path]) -> None:
    make_video("yard.mp4", frames=10)
    tasks = "".join(
        TASK.format(id=n, step="", video=video) for n, video in ((7, "street.mp4"), (8, "yard.mp4"))
    )
    tasks = f"<project><id>1</id><name>all</name><tasks>{tasks}</tasks></project>"
    tracks = [_track(n, "walk", _box(0), _box(5, 1), more=f' task_id="{n}" subset="train"') for n in (7, 8)]
    path = write(_document(*tracks, tasks=tasks))
    assert _rows(read_data(path)) == [["street.mp4", 0.0, 0.5, "walk"], ["yard.mp4", 0.0, 0.5, "walk"]]
    path.write_text(path.read_text().replace(' task_id="8"', ""))
    with pytest.raises(DataError, match="track 8 does not tell its task; export each task by itself"):
        read_data(path)


def test_without_the_video_its_rate_must_be_given(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "lists/mine").mkdir(parents=True)
    path = write(_document(_track(0, "walk", _box(0), _box(5, 1))), "lists/mine/annotations.xml")
    with pytest.raises(DataError, match=r"none of the 1 named video is in .*street\.mp4; name their folder"):
        read_data(path)
    with pytest.raises(
        DataError, match="its times are frame numbers, and the video that tells the rate is missing"
    ):
        read_data(path, keep_missing=True)
    assert _rows(read_data(path, keep_missing=True, fps=20)) == [["street.mp4", 0.0, 0.25, "walk"]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('frame="0"', 'frame="-1"', "track 0: frame='-1' is no number of a frame"),
        (
            'frame="5"',
            'frame="0"',
            "no usable time range: annotations.xml track 0: no frame shows 'walk'|no length",
        ),
        (' label="walk"', "", "annotations.xml track 0 has no label"),
        (
            '<?xml version="1.0" encoding="utf-8"?>',
            '<!DOCTYPE a [<!ENTITY b "c">]>',
            "declares a document type",
        ),
        ("</annotations>", "", "not XML that can be read"),
        ("<track", "<!-- <track", "not XML that can be read"),
    ],
)
def test_bad_files(write: Callable[..., Path], old: str, new: str, message: str) -> None:
    text = _document(_track(0, "walk", _box(0), _box(5, 1)))
    assert old in text
    with pytest.raises(DataError, match=message):
        read_data(write(text.replace(old, new)))
