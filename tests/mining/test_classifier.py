"""`kinema mine classifier`: from folders of synthetic pictures to a recognizer that mines, streams and reports like any other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kinema.cli.app import run as kinema
from kinema.data import Manifest
from kinema.errors import DataError, UsageError
from kinema.evaluation import evaluate
from kinema.mining.classifier import NONE, train_classifier
from kinema.mining.clips import load_scorer
from kinema.models import Recognizer
from kinema.training import Run, train
from kinema.video import VideoWriter


def scene(kind: str, seed: int) -> NDArray[np.uint8]:
    """A synthetic picture 64 x 80: a disc, a grid or stripes of drawn colours and places, or a plain soft ground."""
    rng = np.random.default_rng([seed, len(kind)])
    ground = cv2.resize(
        rng.integers(60, 120, (3, 4, 3), dtype=np.uint8), (80, 64), interpolation=cv2.INTER_CUBIC
    )
    colour = tuple(int(c) for c in rng.integers(150, 256, 3))
    x, y = (int(c) for c in rng.integers(24, 40, 2))
    if kind == "disc":
        cv2.circle(ground, (x + 8, y), 18, colour, -1)
    elif kind == "grid":
        for step in range(0, 80, 10):
            cv2.line(ground, (step + x % 10, 0), (step + x % 10, 63), colour, 2)
            cv2.line(ground, (0, step + y % 10), (79, step + y % 10), colour, 2)
    elif kind == "stripes":
        for step in range(-64, 80, 12):
            cv2.line(ground, (step + x % 12, 0), (step + 64 + x % 12, 63), colour, 3)
    return np.asarray(ground, np.uint8)


def fill(folder: Path, kind: str, count: int, first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        assert cv2.imwrite(str(folder / f"{number}.jpg"), scene(kind, number))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of synthetic pictures; a space in the name, as users have them."""
    root = tmp_path_factory.mktemp("synthetic") / "my images"
    for kind in ("disc", "grid", "stripes"):
        fill(root / kind, kind, 24)
    return root


SMALL = {"height": 64, "width": 64}


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    others = tmp_path_factory.mktemp("synthetic-others")
    fill(others, "plain", 40)
    return train_classifier(
        images,
        tmp_path_factory.mktemp("runs") / "classifier",
        negatives=others,
        most_negatives=24,
        clip=dict(SMALL),
    )


def test_it_is_a_recognizer_of_single_pictures(trained: Run, tmp_path: Path) -> None:
    recognizer = Recognizer.load(trained.folder)
    assert recognizer.classes == ["disc", "grid", NONE, "stripes"]
    assert (recognizer.name, recognizer.spec.frames, recognizer.spec.height) == ("frame_mlp", 1, 64)
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 8) as out:
        for kind in ("grid", "plain", "disc"):
            for number in range(900, 908):
                out.write(scene(kind, number)[:, :, ::-1].copy())
    prediction = recognizer.predict(path)
    told = [recognizer.classes[row] for row in prediction.probabilities.argmax(axis=1)]
    assert len(told) == 24
    assert told[:8].count("grid") >= 7
    assert told[8:16].count(NONE) >= 7
    assert told[16:].count("disc") >= 7
    streamed = np.stack([row.probabilities for row in recognizer.stream(path)])
    assert np.abs(streamed - prediction.probabilities).max() < 1e-4


def test_mining_looks_for_its_classes_but_not_for_none_of_these(trained: Run) -> None:
    scorer = load_scorer(trained.folder)
    assert scorer.single
    assert scorer.actions == ["disc", "grid", "stripes"]


def test_the_report_is_of_held_out_pictures(trained: Run) -> None:
    report = trained.results["report"]
    assert report["headline"]["split"] == "test"
    video = report["splits"]["test"]["video"]
    assert 10 <= video["items"] <= 22
    assert video["top1"]["value"] >= 0.9
    # Nothing is said of time, which single pictures do not show.
    assert set(report["baselines"]) == {"majority class"}
    assert "A clip is one picture" in report["protocol"]
    page = (trained.folder / "report.html").read_text()
    assert "A clip is one picture" in page
    assert "averaging" not in page
    again = evaluate(trained.folder, Manifest.read(trained.folder / "data.csv"))["report"]
    assert set(again["baselines"]) == {"majority class"}
    manifest = Manifest.read(trained.folder / "data.csv").validate()
    assert not any(Path(name).is_absolute() for name in manifest.table["video"])
    assert all(segment.video.is_dir() for segment in manifest.segments())
    counts = manifest.table["label"].value_counts()
    assert counts[NONE] == 24
    assert manifest.table.groupby("group")["split"].nunique().max() == 1


def test_folds_of_single_pictures_have_no_baseline_without_time(trained: Run, tmp_path: Path) -> None:
    run = train(
        Manifest.read(trained.folder / "data.csv"), model="frame_mlp", run=str(tmp_path / "folds"), k=2,
        clip={"frames": 1, **SMALL}, settings={"epochs": 3, "windows": 1},
    )  # fmt: skip
    assert set(run.results["report"]["baselines"]) == {"majority class"}


def test_pictures_of_classes_that_are_not_wanted_are_none_of_these(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "one"
    command = [
        "mine",
        "classifier",
        str(images),
        "--out",
        str(out),
        "--only",
        "grid",
        "--most-negatives",
        "16",
        "--epochs",
        "5",
    ]
    assert kinema([*command, "--set", "height=64", "--set", "width=64", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["classes"] == ["grid", NONE]
    assert told["recognizer"] == str(out / "recognizer")
    counts = Manifest.read(out / "data.csv").table["label"].value_counts()
    assert counts.to_dict() == {"grid": 24, NONE: 16}


def test_videos_are_none_of_these_too_and_those_that_cannot_be_read_are_said(
    images: Path, tmp_path: Path
) -> None:
    films = tmp_path / "films" / "street"
    films.mkdir(parents=True)
    for film in range(4):
        with VideoWriter(films / f"{film}.mp4", 8) as out:
            for number in range(3):
                out.write(scene("plain", 10 * film + number)[:, :, ::-1].copy())
    (films / "empty.mp4").touch()
    said: list[str] = []
    run = train_classifier(
        images, tmp_path / "c", only=["grid", "disc", "stripes"], negatives=films.parent, clip=dict(SMALL),
        settings={"epochs": 1}, told=said.append,
    )  # fmt: skip
    assert run.recognizer.classes == ["disc", "grid", NONE, "stripes"]
    table = Manifest.read(run.folder / "data.csv").table
    names = sorted(Path(name).name for name in table["video"][table["label"] == NONE])
    assert names == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert said[-1].startswith("1 other left out, not readable; first: ")
    assert "empty.mp4" in said[-1]


def test_s3_command_line(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model.pt"  # S3's name of a file; here it is a folder
    command = [
        "mine", "classifier", "--data-dir", str(images), "--epochs", "2", "--batch-size", "16", "--learning-rate", "3e-5",
        "--save-checkpoint", str(out), "--set", "height=64", "--set", "width=64",
    ]  # fmt: skip
    assert kinema(command) == 0
    said = capsys.readouterr()
    assert "learning rate 3e-05 is one for a whole network (--fine-tune)" in said.err
    assert "72 pictures of 3 classes: disc 24, grid 24, stripes 24" in said.out
    assert re.search(r"\ntest, top-1: 0\.\d{3} .*, \d+ pictures\n", said.out)
    assert "kinema mine clips VIDEO --recognizer" in said.out
    params = json.loads((out / "params.json").read_text())
    assert (params["training"]["epochs"], params["training"]["batch_size"]) == (2, 16)
    assert params["training"]["learning_rate"] == 3e-5
    assert params["training"]["class_weights"] == "balanced"
    assert Recognizer.load(out).classes == ["disc", "grid", "stripes"]
    assert kinema(command) == 2
    assert "already holds a finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "give one folder of pictures"),
        (["absent"], 3, "absent: no such folder"),
        (["IMAGES", "--feature-extractor", "densenet12"], 2, "unknown backbone 'densenet12'"),
        (["IMAGES", "--weights", "absent.pth"], 2, "absent.pth: no such weights file"),
        (["IMAGES", "--only", "gird"], 2, "no class 'gird'; did you mean 'grid'"),
        (["IMAGES", "--negatives", "absent"], 3, "absent: no such folder"),
        (["IMAGES", "--class-weights", "much"], 2, "class_weights='much': give balanced or none"),
        (["IMAGES", "--set", "frames=8"], 2, "--set frames: pictures are looked at one by one"),
        (["IMAGES", "--set", "backbone=x"], 2, "--set backbone: use --feature-extractor"),
    ],
)
def test_wrong_calls(
    words: list[str],
    code: int,
    said: str,
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        kinema(["mine", "classifier", *[str(images) if word == "IMAGES" else word for word in words]]) == code
    )
    assert said in capsys.readouterr().err
    assert list(tmp_path.rglob("*.jpg")) == []  # nothing is left behind


def test_a_stop_leaves_nothing_behind(images: Path, tmp_path: Path) -> None:
    from kinema.training import Listener

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_classifier(images, tmp_path / "c", listener=Listener(items=stop))
    assert not (tmp_path / "c").exists()


def test_weights_that_cannot_be_had(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no bundled weights"):
        train_classifier(images, tmp_path / "c", feature_extractor="densenet121", weights="bundled")
    with pytest.raises(UsageError, match="most_negatives 0"):
        train_classifier(images, tmp_path / "c", most_negatives=0)
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"bad\.pth"):
        train_classifier(images, tmp_path / "c", weights=str(tmp_path / "bad.pth"))


@pytest.mark.slow
def test_densenet121_with_a_file_of_weights(images: Path, tmp_path: Path) -> None:
    import kinema.torch_setup  # noqa: F401  # isort: skip
    import timm
    import torch

    torch.manual_seed(0)
    torch.save(timm.create_model("densenet121").state_dict(), tmp_path / "densenet121.pth")
    run = train_classifier(
        images, tmp_path / "c", feature_extractor="densenet121", weights=str(tmp_path / "densenet121.pth"),
        clip=dict(SMALL), settings={"epochs": 3},
    )  # fmt: skip
    assert run.recognizer.factorised.backbone.name == "densenet121"
    assert run.recognizer.spec.mean == (0.485, 0.456, 0.406)  # ImageNet's, as timm states for these weights


@pytest.mark.slow
def test_fine_tuning_trains_the_backbone_too(images: Path, tmp_path: Path) -> None:
    run = train_classifier(
        images, tmp_path / "c", fine_tune=True, learning_rate=1e-3, clip=dict(SMALL), settings={"epochs": 2}
    )
    fresh = Recognizer.create("frame_mlp", run.recognizer.classes, run.recognizer.spec)
    own, before = run.recognizer.model.state_dict(), fresh.model.state_dict()
    moved = [key for key in own if key.startswith("backbone") and not np.array_equal(own[key], before[key])]
    assert len(moved) > 50
    params = json.loads((run.folder / "params.json").read_text())
    assert params["training"]["backbone_learning_rate"] == 1e-3
    assert run.accuracy >= 0.6
