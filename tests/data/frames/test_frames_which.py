"""Which frames become images, at what size, and that they are the frames of the video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from kinema.data import Manifest, read_data
from kinema.data.frames import FrameSettings, extract_frames
from kinema.video import VideoWriter

MakeVideo = Callable[..., Path]
Write = Callable[..., Path]
Numbers = Callable[[Path], list[int]]
Read = Callable[[Path], np.ndarray]
Rows = Callable[[Path], list[dict[str, str]]]
One = Callable[..., Manifest]


def test_every_frame_is_the_frame_of_sequential_decoding(
    test_data: Path, tmp_path: Path, read_image: Read, one: One
) -> None:
    video = test_data / "odd-videos" / "RATRACE_wave_f_nm_np1_fr_goo_37.avi"
    found = extract_frames(one(video), tmp_path / "f", FrameSettings(format="png"))
    with av.open(str(video)) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    folder = tmp_path / "f" / video.stem
    assert len(expected) == found.images == len(list(folder.iterdir())) == 72
    for number, image in enumerate(expected, start=1):
        written = read_image(folder / f"{video.stem}_{number:05d}.png")
        # PyAV's own conversion interpolates colour in another way.
        assert np.abs(written.astype(np.int16) - image).mean() < 1.0
    thirtieth = read_image(folder / f"{video.stem}_00031.png")[::4, ::4].astype(int)
    order = [np.abs(thirtieth - image[::4, ::4]).mean() for image in expected]
    assert int(np.argmin(order)) == 30


def test_jpegs_are_the_pictures_but_for_compression(
    test_data: Path, tmp_path: Path, read_image: Read, one: One
) -> None:
    video = test_data / "odd-videos" / "RATRACE_wave_f_nm_np1_fr_goo_37.avi"
    extract_frames(one(video), tmp_path / "a", FrameSettings(every=20, quality=95))
    extract_frames(one(video), tmp_path / "b", FrameSettings(every=20, quality=30))
    extract_frames(one(video), tmp_path / "c", FrameSettings(every=20, format="png"))
    fine, rough, exact = (
        [read_image(path).astype(int) for path in sorted((tmp_path / name / video.stem).iterdir())]
        for name in "abc"
    )
    assert len(fine) == len(rough) == len(exact) == 4
    assert all(
        np.abs(f - e).mean() < np.abs(r - e).mean() < 10 for f, r, e in zip(fine, rough, exact, strict=True)
    )
    sizes = [sum(path.stat().st_size for path in (tmp_path / name / video.stem).iterdir()) for name in "ab"]
    assert sizes[1] < sizes[0] / 3


def test_a_video_of_more_than_101_frames_is_written_to_its_end(
    tmp_path: Path, write_numbered: Write, numbers: Numbers, one: One
) -> None:
    """S4's extraction stopped at 101 frames."""
    video = write_numbered(tmp_path / "long.mp4", 250)
    assert extract_frames(one(video), tmp_path / "f").images == 250
    assert numbers(tmp_path / "f" / "long") == [index % 28 for index in range(250)]
    assert (tmp_path / "f" / "long" / "long_00250.jpg").exists()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (FrameSettings(), list(range(20))),
        (FrameSettings(every=1), list(range(20))),
        (FrameSettings(every=6), [0, 6, 12, 18]),
        (FrameSettings(every=19), [0, 19]),
        (FrameSettings(every=50), [0]),
        (FrameSettings(fps=5), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]),
        (
            FrameSettings(fps=4),
            [0, 3, 5, 8, 10, 13, 15, 18],
        ),  # 0, .25, .5 ... seconds: the first frame from then on
        (FrameSettings(per_video=1), [10]),
        (FrameSettings(per_video=2), [5, 15]),
        (FrameSettings(per_video=4), [2, 7, 12, 17]),
        (FrameSettings(per_video=3), [3, 10, 16]),
        (FrameSettings(per_video=20), list(range(20))),
        (FrameSettings(per_video=99), list(range(20))),
    ],
)
def test_which_frames_of_a_video_of_20_at_10_a_second(
    settings: FrameSettings,
    expected: list[int],
    tmp_path: Path,
    write_numbered: Write,
    numbers: Numbers,
    rows: Rows,
    one: One,
) -> None:
    video = write_numbered(tmp_path / "v.mp4", 20)
    extract_frames(one(video), tmp_path / "f", settings)
    assert numbers(tmp_path / "f" / "v") == expected
    table = rows(tmp_path / "f" / "frames.csv")
    assert [int(row["index"]) for row in table] == expected
    assert [float(row["time"]) for row in table] == pytest.approx([index / 10 for index in expected])


def test_a_rate_above_that_of_the_video_repeats_frames(
    tmp_path: Path, write_numbered: Write, numbers: Numbers, one: One
) -> None:
    video = write_numbered(tmp_path / "v.mp4", 4)
    found = extract_frames(one(video), tmp_path / "f", FrameSettings(fps=20))
    assert numbers(tmp_path / "f" / "v") == [0, 1, 1, 2, 2, 3, 3]
    assert any("3 images repeated" in note for note in found.notes)


def test_a_variable_rate_is_sampled_by_time(
    tmp_path: Path, write_numbered: Write, numbers: Numbers, rows: Rows, one: One
) -> None:
    times = [0, 0.1, 0.2, 1.0, 1.1, 2.0]
    video = write_numbered(tmp_path / "v.mkv", 6, times=times)
    extract_frames(one(video), tmp_path / "all")
    table = rows(tmp_path / "all" / "frames.csv")
    assert [float(row["time"]) for row in table] == pytest.approx(times)
    # On a grid of one a second the frames at 0, 1 and 2 seconds.
    extract_frames(one(video), tmp_path / "grid", FrameSettings(fps=1))
    assert numbers(tmp_path / "grid" / "v") == [0, 3, 5]
    # Six pictures over two seconds of five steps: 2.5 a second, not the 10 the file names.
    assert rows(tmp_path / "all" / "manifest.csv")[0]["fps"] == "2.5"


def test_a_wrong_frame_count_in_the_file_does_not_move_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_numbered: Write, numbers: Numbers, one: One
) -> None:
    import kinema.data.frames.writing as writing

    video = write_numbered(tmp_path / "v.mp4", 20)
    monkeypatch.setattr(writing, "expected_frames", lambda *_: 400)
    extract_frames(one(video), tmp_path / "f", FrameSettings(per_video=2))
    assert numbers(tmp_path / "f" / "v") == [5, 15]


def test_rotated_video_stands_upright(tmp_path: Path, read_image: Read, one: One) -> None:
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(90)
        image = np.zeros((48, 64, 3), np.uint8)
        image[:16, :16] = 255
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    extract_frames(one(path), tmp_path / "f")
    written = read_image(tmp_path / "f" / "phone" / "phone_00001.jpg")
    assert written.shape == (64, 48, 3)
    assert written[-12:, :12].mean() > 240  # turned a quarter to the left: the mark goes to the lower left
    assert written[:12, :12].mean() < 15


@pytest.mark.parametrize(
    ("size", "shape"),
    [(None, (48, 64)), (24, (24, 32)), (96, (96, 128)), ((20, 30), (30, 20)), (7, (7, 9))],
)
def test_sizes(
    size: Any, shape: tuple[int, int], tmp_path: Path, make_video: MakeVideo, read_image: Read, one: One
) -> None:
    extract_frames(one(make_video("v.mp4", 3)), tmp_path / "f", FrameSettings(size=size))
    assert read_image(tmp_path / "f" / "v" / "v_00003.jpg").shape[:2] == shape


def test_several_workers_write_what_one_does(tmp_path: Path, make_video: MakeVideo) -> None:
    for number in range(5):
        make_video(f"clips/run/{number}.mp4", 12)
    manifest = read_data(tmp_path / "clips")
    for name, workers in (("one", 1), ("two", 2), ("many", 9)):
        extract_frames(manifest, tmp_path / name, workers=workers)
    files = {
        name: {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("[!.]*.*g")}
        for name in ("one", "two", "many")
    }
    assert len(files["one"]) == 60
    assert files["one"] == files["two"] == files["many"]
    assert (tmp_path / "one" / "frames.csv").read_text() == (tmp_path / "many" / "frames.csv").read_text()


def test_a_writer_of_videos_and_frames_agree(tmp_path: Path, read_image: Read, one: One) -> None:
    """Noise written without loss of sync: picture k of the folder is picture k that went in."""
    random = np.random.default_rng(5)
    pictures = [
        np.kron(random.integers(0, 255, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8)) for _ in range(15)
    ]
    with VideoWriter(tmp_path / "v.mp4", 25, quality=1) as out:
        for picture in pictures:
            out.write(picture)
    extract_frames(one(tmp_path / "v.mp4"), tmp_path / "f", FrameSettings(format="png"))
    written = [read_image(path).astype(int) for path in sorted((tmp_path / "f" / "v").iterdir())]
    for number, image in enumerate(written):
        assert int(np.argmin([np.abs(image - picture).mean() for picture in pictures])) == number
