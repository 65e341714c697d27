"""ClipSpec: sizes, colours, times and numbers, each worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec, PictureAssembler
from kinema.errors import UsageError
from kinema.video import Frame, open_source


@pytest.mark.parametrize(
    ("resize", "source", "expected"),
    [
        # (width, height) of the source, and to what it is scaled for pictures 200 wide and 100 high
        ("stretch", (320, 240), (200, 100)),
        ("crop", (320, 240), (200, 150)),  # by 200 / 320 = 0.625: 240 becomes 150
        ("crop", (1000, 100), (1000, 100)),
        ("crop", (100, 100), (200, 200)),
        ("crop", (301, 150), (201, 100)),  # by 2/3: 200.67 wide
        ("pad", (320, 240), (133, 100)),  # by 100 / 240: 320 becomes 133.3
        ("pad", (1000, 100), (200, 20)),
        ("pad", (100, 100), (100, 100)),
        ("pad", (4000, 10), (200, 1)),  # never less than a pixel
    ],
)
def test_read_size_by_hand(resize: Any, source: tuple[int, int], expected: tuple[int, int]) -> None:
    assert ClipSpec(height=100, width=200, resize=resize).read_size(source) == expected


def columns(width: int, height: int) -> NDArray[np.uint8]:
    """A picture whose value is its column."""
    return np.broadcast_to(np.arange(width, dtype=np.uint8)[None, :, None], (height, width, 3)).copy()


def test_crop_keeps_the_centre() -> None:
    spec = ClipSpec(height=4, width=4, resize="crop")
    assert spec.fit(columns(10, 4))[0, :, 0].tolist() == [3, 4, 5, 6]
    assert spec.fit(columns(9, 4))[0, :, 0].tolist() == [3, 4, 5, 6]  # one more column left of it than right
    rows = columns(12, 4).transpose(1, 0, 2)
    assert spec.fit(rows)[:, 0, 0].tolist() == [4, 5, 6, 7]


def test_pad_surrounds_with_grey() -> None:
    spec = ClipSpec(height=4, width=8, resize="pad")
    assert spec.fit(columns(4, 4))[0, :, 0].tolist() == [128, 128, 0, 1, 2, 3, 128, 128]
    tall = ClipSpec(height=6, width=4, resize="pad").fit(columns(4, 3))
    assert tall[:, 3, 0].tolist() == [128, 3, 3, 3, 128, 128]


def test_stretch_fills_the_picture() -> None:
    fitted = ClipSpec(height=2, width=8).fit(columns(4, 4) * 10)
    assert fitted.shape == (2, 8, 3)
    assert fitted[0, 0, 0] == 0 and fitted[0, -1, 0] == 30


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(320, 240), (240, 320), (97, 33), (31, 200), (64, 48)])
def test_a_frame_scaled_by_its_source_equals_one_scaled_here(resize: Any, size: tuple[int, int]) -> None:
    from kinema.video import resize as scale

    spec = ClipSpec(height=48, width=64, resize=resize)
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    here = spec.fit(image)
    assert here.shape == (48, 64, 3)
    assert np.array_equal(spec.fit(scale(image, spec.read_size(size))), here)


def grey_frames(*levels: int) -> list[Frame]:
    return [Frame(np.full((4, 4, 3), level, np.uint8), i / 10, i) for i, level in enumerate(levels)]


def test_gray_stack_is_oldest_first_and_begins_with_copies_of_the_first_frame() -> None:
    assembler = PictureAssembler(ClipSpec(height=4, width=4, fps=10, colour="gray_stack"))
    pictures = [assembler.push(frame) for frame in grey_frames(10, 20, 30, 40)]
    assert [p.image[0, 0].tolist() for p in pictures if p] == [
        [10, 10, 10],
        [10, 10, 20],
        [10, 20, 30],
        [20, 30, 40],
    ]


def test_gray_stack_with_substeps_reads_between_its_pictures() -> None:
    spec = ClipSpec(height=4, width=4, fps=5, substeps=2, colour="gray_stack")
    assert spec.read_fps == 10
    assembler = PictureAssembler(spec)
    pictures = [assembler.push(frame) for frame in grey_frames(10, 20, 30, 40, 50)]
    assert [p.image[0, 0].tolist() if p else None for p in pictures] == [
        [10, 10, 10], None, [10, 20, 30], None, [30, 40, 50],
    ]  # fmt: skip
    assert [p.time for p in pictures if p] == [0.0, 0.2, 0.4]


def test_gray_is_the_luma_of_bt601() -> None:
    red = Frame(np.broadcast_to(np.array([255, 0, 0], np.uint8), (4, 4, 3)).copy(), 0.0, 0)
    picture = PictureAssembler(ClipSpec(height=4, width=4, colour="gray")).push(red)
    assert picture is not None
    assert picture.image[0, 0].tolist() == [76, 76, 76]  # 0.299 * 255 = 76.2


def level_of(index: int) -> int:
    return 30 + (index * 7) % 196


def encode(path: Path, stamps: list[int], time_base: Fraction) -> Path:
    """Synthetic flat frames whose grey level tells their number, at stamps in units of `time_base` seconds."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = time_base
        for index, stamp in enumerate(stamps):
            image = np.full((48, 64, 3), level_of(index), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("ticks", "unit", "expected"),
    [
        # Frames of the pictures at 0, 0.125, 0.25 … s: the first one at or after each time (0.002 s early is on time).
        (list(range(25)), Fraction(1, 25), [0, 4, 7, 10, 13, 16, 19, 22]),
        (list(range(30)), Fraction(1, 30), [0, 4, 8, 12, 15, 19, 23, 27]),
        ([1001 * k for k in range(30)], Fraction(1, 30000), [0, 4, 8, 12, 15, 19, 23, 27]),
        # 20 a second, then a gap from 0.2 to 0.7 s: the frame after the gap stands for all times in it.
        ([0, 1, 2, 3, 4, 14, 15, 16, 17, 18], Fraction(1, 20), [0, 3, 5, 5, 5, 5, 6, 9]),
    ],
    ids=["25", "30", "29.97", "variable"],
)
def test_pictures_are_taken_at_times_not_at_counts(
    tmp_path: Path, ticks: list[int], unit: Fraction, expected: list[int]
) -> None:
    path = encode(tmp_path / "video.mkv", ticks, unit)
    spec = ClipSpec(fps=8, height=48, width=64)
    with open_source(path) as source:
        pictures = list(spec.pictures(source))
    found = [int(np.abs([level_of(i) - p.image.mean() for i in range(28)]).argmin()) for p in pictures]
    assert found == expected
    assert [p.time for p in pictures] == pytest.approx([float(ticks[i] * unit) for i in expected], abs=1e-3)


def test_pictures_of_a_range_and_every_frame_on_the_way(tmp_path: Path) -> None:
    path = encode(tmp_path / "video.mkv", list(range(50)), Fraction(1, 25))
    seen: list[int] = []
    spec = ClipSpec(fps=5, height=48, width=64)
    with open_source(path) as source:
        pictures = list(spec.pictures(source, 0.4, 1.2, lambda index, time: seen.append(index)))
    assert [p.time for p in pictures] == pytest.approx([0.4, 0.6, 0.8, 1.0], abs=1e-3)
    assert seen == list(range(10, 30))


def test_normalise_by_hand() -> None:
    spec = ClipSpec(height=1, width=2, mean=(0.5, 0.485, 0.0), std=(0.5, 0.229, 1.0))
    pictures = torch.tensor([[[[0, 0, 0], [255, 255, 51]]]], dtype=torch.uint8)
    found = spec.normalise(pictures)
    assert found.dtype == torch.float32
    assert found.shape == (1, 3, 1, 2)
    # (0 / 255 - 0.485) / 0.229 = -2.11790; (1 - 0.485) / 0.229 = 2.24891; 51 / 255 = 0.2
    expected = [[-1.0, 1.0], [-2.11790, 2.24891], [0.0, 0.2]]
    assert torch.allclose(found[0, :, 0], torch.tensor(expected), atol=1e-4)
    half = ClipSpec(height=1, width=1).normalise(torch.full((1, 1, 1, 3), 127.5))
    assert torch.allclose(half, torch.zeros(1, 3, 1, 1), atol=1e-6)


def test_clip_puts_channels_before_time() -> None:
    pictures = torch.zeros(2, 5, 4, 6, 3, dtype=torch.uint8)
    pictures[1, 3, 2, 4, 0] = 255  # red, in the fourth picture
    clip = ClipSpec(frames=5, height=4, width=6).clip(pictures)
    assert clip.shape == (2, 3, 5, 4, 6)
    assert clip[1, 0, 3, 2, 4] == 1.0
    assert int((clip > 0).sum()) == 1


OTHER: dict[str, Any] = {
    "frames": 17, "fps": 9.0, "height": 223, "width": 225, "resize": "pad", "colour": "gray", "substeps": 2,
    "mean": (0.4, 0.5, 0.5), "std": (0.5, 0.5, 0.4),
}  # fmt: skip


def test_every_field_changes_the_fingerprint() -> None:
    spec = ClipSpec()
    assert OTHER.keys() == spec.to_dict().keys()
    for name, value in OTHER.items():
        changed = replace(spec, **{name: value})
        assert changed.fingerprint() != spec.fingerprint(), name
        same_pixels = changed.fingerprint(pixels_only=True) == spec.fingerprint(pixels_only=True)
        assert same_pixels is (name == "frames"), name


def test_equal_specs_have_one_fingerprint() -> None:
    whole, point = ClipSpec(fps=8, mean=(0, 0, 0)), ClipSpec(fps=8.0, mean=(0.0, 0.0, 0.0))
    assert whole == point
    assert whole.fingerprint() == point.fingerprint()


def test_to_dict_and_back_through_json() -> None:
    import json

    spec = ClipSpec(**OTHER)
    assert ClipSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"heigth": 3}, "did you mean 'height'?"),
        ({"frames": 0}, "at least 1"),
        ({"frames": 2.5}, "whole number"),
        ({"width": "wide"}, "whole number"),
        ({"fps": 0}, "above 0"),
        ({"fps": "fast"}, "above 0"),
        ({"fps": float("inf")}, "above 0"),
        ({"fps": None}, "above 0"),
        ({"resize": "sretch"}, "did you mean 'stretch'?"),
        ({"colour": "grey"}, "did you mean 'gray'?"),
        ({"mean": [0.5]}, "three numbers"),
        ({"mean": "abc"}, "three numbers"),
        ({"std": [0.5, 0.5, 0]}, "above 0"),
        ({"std": 0.5}, "three numbers"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        ClipSpec.from_dict(settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_span_in_seconds() -> None:
    assert ClipSpec(frames=20, fps=10).span == 2.0


def test_real_videos_give_pictures_of_the_spec(test_data: Path) -> None:
    spec = ClipSpec(fps=8, height=64, width=96, resize="crop")
    video = sorted((test_data / "ut-interaction" / "hugging").glob("*.avi"))[0]
    for path in (video, test_data / "kth" / "person21_boxing_d1_uncomp.avi"):
        with open_source(path) as source:
            pictures = list(spec.pictures(source, 0.0, 2.0))
        assert len(pictures) == 16
        assert {p.image.shape for p in pictures} == {(64, 96, 3)}
        assert all(0 <= p.time - k / 8 < 0.045 for k, p in enumerate(pictures))
