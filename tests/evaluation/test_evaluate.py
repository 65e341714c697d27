"""`evaluate`: a saved recognizer on labelled videos, tiny and synthetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.data import ClipSpec, Manifest
from kinema.errors import DataError
from kinema.evaluation import evaluate
from kinema.evaluation.evaluate import save_baseline
from kinema.models import Recognizer, create_head
from kinema.video import VideoWriter

SPEC = ClipSpec(frames=4, fps=5, height=32, width=32)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four synthetic videos of 10, 20, 20 and 4 flat frames at 10 a second."""
    root = tmp_path_factory.mktemp("synthetic")
    for number, frames in enumerate((10, 20, 20, 4)):
        with VideoWriter(root / f"v{number}.mp4", 10) as out:
            for index in range(frames):
                out.write(np.full((32, 32, 3), 40 + 50 * number + 2 * index, np.uint8))
    return root


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recognizer that always says class10, and a frame-averaging baseline that always says class2."""
    torch.manual_seed(0)
    recognizer = Recognizer.create(
        "lrcn", ["class2", "class10"], SPEC, backbone="test_resnet", weights="none", head="gru"
    )
    model = recognizer.factorised
    averaging = create_head("mean", model.backbone.dim, 2, SPEC.frames)
    with torch.no_grad():
        for head, bias in ((model.head, [0.0, 2.0]), (averaging, [2.0, 0.0])):
            linear: Any = head.classifier[-1]  # type: ignore[index, union-attr]
            linear.weight.zero_()
            linear.bias.copy_(torch.tensor(bias))
    recognizer.provenance = {"train_labels": {"class2": 3, "class10": 5}}
    folder = recognizer.save(tmp_path_factory.mktemp("run") / "recognizer")
    save_baseline(averaging, folder)
    return folder


def table(root: Path, **columns: Any) -> Manifest:
    labels = ["class2", "class10", "class10", "class10"]
    values = {"video": [f"v{n}.mp4" for n in range(4)], "label": labels, "group": list("abcd"), **columns}
    return Manifest(values, root)


def test_numbers_by_hand(saved: Path, videos: Path, tmp_path: Path) -> None:
    found = evaluate(saved, table(videos), out=tmp_path / "out")
    test = found["report"]["splits"]["test"]
    assert set(found["report"]["splits"]) == {"test"}  # rows without a split
    assert test["video"]["items"] == 4
    assert test["video"]["top1"]["value"] == 0.75
    # Pictures at 5 a second: 5, 10, 10 and 2; full windows of 4: 2, 7, 7, and the longest one of the short video.
    assert test["clip"]["items"] == 17
    assert test["clip"]["top1"]["value"] == pytest.approx(15 / 17)
    baselines = found["report"]["baselines"]
    assert baselines["majority class"]["test"]["top1"]["value"] == 0.75  # class10 is the most frequent one
    assert baselines["frame averaging"]["test"]["top1"]["value"] == 0.25
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert stored["report"]["splits"] == found["report"]["splits"]
    assert (tmp_path / "out" / "report.html").is_file()


def test_splits_of_the_table_are_kept_and_ranges_respected(saved: Path, videos: Path) -> None:
    data = table(videos, split=["train", "valid", "test", None], start=[0, 0, 1.0, 0], end=[1, 0.8, 2.0, 0.4])
    found = evaluate(saved, data)["report"]
    assert set(found["splits"]) == {"train", "valid", "test"}
    assert found["splits"]["test"]["video"]["items"] == 2
    assert found["splits"]["valid"]["clip"]["items"] == 1  # 0.8 s are one window


def test_rows_without_a_label_and_unreadable_ones_are_left_out_and_named(
    saved: Path, videos: Path, tmp_path: Path
) -> None:
    (videos / "broken.mp4").write_bytes(b"")
    labels = ["class2", None, "class10", "class10"]
    names = ["v0.mp4", "v1.mp4", "broken.mp4", "v3.mp4"]
    found = evaluate(saved, table(videos, label=labels, video=names))["report"]
    assert found["splits"]["test"]["video"]["items"] == 2
    assert "broken.mp4" in found["data_description"]


def test_a_label_that_the_recognizer_does_not_know(saved: Path, videos: Path) -> None:
    data = table(videos, label=["class2", "class3", "class10", "class10"])
    with pytest.raises(
        DataError, match=r"label 'class3' is not a class of this recognizer \(class2, class10\)"
    ):
        evaluate(saved, data)


def test_nothing_readable_is_one_line(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"no labelled video could be read; first: .*empty\.mp4"):
        evaluate(saved, Manifest({"video": ["empty.mp4"], "label": ["class2"]}, tmp_path))


def test_a_damaged_baseline_is_named(saved: Path, videos: Path, tmp_path: Path) -> None:
    for path in saved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "frame_averaging.safetensors").write_bytes(b"1234")
    with pytest.raises(DataError, match=r"frame_averaging\.safetensors: damaged"):
        evaluate(tmp_path, table(videos))
    (tmp_path / "frame_averaging.safetensors").unlink()
    assert set(evaluate(tmp_path, table(videos))["report"]["baselines"]) == {"majority class"}
