"""`train` from a folder of class folders to the run folder, on a tiny synthetic data set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kinema.data import Manifest, read_data
from kinema.evaluation import evaluate
from kinema.models import Recognizer
from kinema.training import Run, train

CLIP: dict[str, Any] = {"frames": 5, "fps": 5, "height": 48, "width": 48}
QUICK: dict[str, Any] = {
    "clip": CLIP, "settings": {"epochs": 2, "flip": False}, "device": "torch", "backbone": "test_resnet", "weights": "none",
}  # fmt: skip


def test_the_run_folder_has_the_names_of_s4(tiny_run: Run) -> None:
    names = {path.name for path in tiny_run.folder.iterdir()}
    assert {
        "params.json",
        "results.json",
        "fit_history.csv",
        "model_summary.txt",
        "confusion_matrix.png",
        "confusion_matrix.csv",
        "confusion_matrix_normalised.png",
        "confusion_matrix_normalised.csv",
        "loss_curve.png",
        "frame_predictions.csv",
        "report.html",
        "recognizer",
        "tensorboard",
        "data.csv",
    } <= names
    assert not [name for name in names if name.startswith(".")]  # nothing half-written
    assert {"recognizer.json", "weights.safetensors"} <= {
        path.name for path in (tiny_run.folder / "recognizer").iterdir()
    }
    assert list((tiny_run.folder / "tensorboard").glob("events*"))


def test_results_have_the_fields_of_s4(tiny_run: Run) -> None:
    results = json.loads((tiny_run.folder / "results.json").read_text())
    history = pd.read_csv(tiny_run.folder / "fit_history.csv")
    assert results["architecture"] == "motion_moments"
    assert results["pretrained_model_name"] == "test_resnet"
    assert (results["sequence_length"], results["frame_size"]) == (5, [48, 48])
    # 18 videos of 20 frames: every frame of every split is counted.
    rows = [results[f"data_total_rows_{split}"] for split in ("train", "valid", "test")]
    assert sum(rows) == 360
    assert min(rows) >= 60
    assert results["fit_num_epochs"] == len(history) == 8
    assert list(history.columns) == [
        "epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy", "learning_rate",
    ]  # fmt: skip
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    best = history["valid_loss"].idxmin()
    assert results["fit_best_epoch"] == best + 1
    assert results["fit_val_loss"] == pytest.approx(history["valid_loss"][best], abs=1e-5)
    assert results["fit_train_loss"] == pytest.approx(history["train_loss"][best], abs=1e-5)
    assert 0 <= results["fit_val_acc"] <= 1
    assert results["fit_interrupted"] is False
    assert results["fit_dt_train_duration_seconds"].isdigit()
    assert results["batch_size"] == 128
    assert results["path_model"] == str(tiny_run.folder)


def test_a_frozen_backbone_of_random_weights_is_said_there_and_wherever_it_is_evaluated(
    tiny_run: Run, actions: Path
) -> None:
    said = {item["code"]: item for item in tiny_run.results["report"]["caveats"]}["random-backbone"]
    assert said["level"] == "serious"
    assert said["text"].startswith(
        "The backbone has random weights and was frozen, so it never learned to see."
    )
    again = evaluate(tiny_run.folder, actions)["report"]["caveats"]
    assert said in again


def test_params_hold_every_setting(tiny_run: Run) -> None:
    params = json.loads((tiny_run.folder / "params.json").read_text())
    assert params["architecture"] == "motion_moments"
    assert params["model"] == {"backbone": "test_resnet", "weights": "none"}
    assert params["clip"]["frames"] == 5
    assert params["training"]["epochs"] == 8
    assert params["training"]["seed"] == 0
    assert params["classes"] == ["move2", "move10", "still"]


def test_the_model_summary_counts_parameters(tiny_run: Run) -> None:
    text = (tiny_run.folder / "model_summary.txt").read_text()
    total = sum(p.numel() for p in tiny_run.recognizer.model.parameters())
    head = sum(p.numel() for p in tiny_run.recognizer.factorised.head.parameters())
    assert f"{total:,}" in next(line for line in text.splitlines() if line.startswith("Total params"))
    assert f"{head:,}" in next(line for line in text.splitlines() if line.startswith("Trainable params"))


def test_frame_predictions_have_a_row_for_every_frame_from_the_first(tiny_run: Run) -> None:
    table = pd.read_csv(tiny_run.folder / "frame_predictions.csv")
    assert list(table.columns) == [
        "move2", "move10", "still", "prediction", "video", "frame", "label", "split", "error",
    ]  # fmt: skip
    assert len(table) == 360
    for _, rows in table.groupby("video"):
        assert rows["frame"].tolist() == list(range(20))
    assert np.allclose(table[["move2", "move10", "still"]].sum(axis=1), 1, atol=1e-4)
    most = table[["move2", "move10", "still"]].idxmax(axis=1)
    assert (most == table["prediction"]).all()
    assert (table["error"] == (table["prediction"] != table["label"])).all()
    assert set(table["split"]) == {"train", "valid", "test"}


def test_frame_predictions_are_those_of_the_saved_recognizer(tiny_run: Run, actions: Path) -> None:
    table = pd.read_csv(tiny_run.folder / "frame_predictions.csv")
    video = "move10/person03_move10.mp4"
    rows = table[table["video"] == video][["move2", "move10", "still"]].to_numpy()
    found = Recognizer.load(tiny_run.folder, device="torch").predict(actions / video)
    # 10 frames a second and 5 pictures: each picture's probabilities stand for its frame and the next.
    # Cached features have half precision.
    assert np.abs(rows[::2] - found.probabilities).max() < 5e-3
    assert np.array_equal(rows[::2], rows[1::2])


def test_groups_are_never_divided(tiny_run: Run) -> None:
    data = Manifest.read(tiny_run.folder / "data.csv").table
    assert (data.groupby("group")["split"].nunique() == 1).all()
    assert sorted(data["group"].unique()) == [f"person0{n}" for n in range(1, 7)]
    assert set(data["split"]) == {"train", "valid", "test"}
    table = pd.read_csv(tiny_run.folder / "frame_predictions.csv")
    assert (
        table.groupby(table["video"].str[-20:-4].str.extract("(person..)")[0])["split"].nunique() == 1
    ).all()


def test_the_report_shows_both_baselines_and_all_splits(tiny_run: Run) -> None:
    report = tiny_run.results["report"]
    assert set(report["splits"]) == {"train", "valid", "test"}
    assert set(report["baselines"]) == {"majority class", "frame averaging"}
    # Equal classes: the majority class is right for one of three.
    assert report["baselines"]["majority class"]["test"]["top1"]["value"] == pytest.approx(1 / 3)
    page = (tiny_run.folder / "report.html").read_text()
    assert "majority class" in page and "frame averaging" in page
    assert report["headline"]["split"] == "test"
    assert tiny_run.accuracy == report["splits"]["test"]["video"]["top1"]["value"]


def test_provenance_names_data_version_and_protocol(tiny_run: Run) -> None:
    stored = json.loads((tiny_run.folder / "recognizer" / "recognizer.json").read_text())
    about = stored["provenance"]
    assert about["metrics"]["top1"]["value"] == tiny_run.accuracy
    assert about["train_labels"].keys() == {"move2", "move10", "still"}
    assert len(about["data_fingerprint"]) == 64
    assert "group" in about["protocol"]
    assert stored["classes"] == ["move2", "move10", "still"]


def test_a_second_run_with_the_same_settings_gives_the_same_numbers(
    tiny_run: Run, actions: Path, tmp_path: Path
) -> None:
    again = train(
        actions, run=str(tmp_path / "again"), clip=CLIP, settings={"epochs": 8}, device="torch",
        backbone="test_resnet", weights="none",
    )  # fmt: skip
    for name in ("fit_history.csv", "frame_predictions.csv", "confusion_matrix.csv"):
        assert (again.folder / name).read_bytes() == (tiny_run.folder / name).read_bytes()


def test_evaluate_on_other_data_shows_both_baselines(tiny_run: Run, actions: Path, tmp_path: Path) -> None:
    found = evaluate(tiny_run.folder, actions, out=tmp_path / "report")["report"]
    assert set(found["baselines"]) == {"majority class", "frame averaging"}
    assert found["splits"]["test"]["video"]["items"] == 18
    assert (tmp_path / "report" / "report.html").is_file()
    table = Manifest.read(tiny_run.folder / "data.csv")
    same = evaluate(tiny_run.folder, table)["report"]
    for split in ("train", "valid", "test"):
        for unit in ("clip", "video"):
            expected = tiny_run.results["report"]["splits"][split][unit]["top1"]["value"]
            assert same["splits"][split][unit]["top1"]["value"] == pytest.approx(expected)
        averaged = tiny_run.results["report"]["baselines"]["frame averaging"][split]["top1"]["value"]
        assert same["baselines"]["frame averaging"][split]["top1"]["value"] == pytest.approx(averaged)


def test_folds_by_group_test_every_item_once_by_a_model_that_had_not_seen_it(
    actions: Path, tmp_path: Path
) -> None:
    run = train(actions, run=str(tmp_path / "folds"), k="group", **QUICK)
    report = run.results["report"]
    assert report["splits"]["test"]["video"]["items"] == 18
    assert len(report["folds"]["rows"] if isinstance(report["folds"], dict) else report["folds"]) >= 6
    assert set(report["baselines"]) == {"majority class", "frame averaging"}
    table = pd.read_csv(run.folder / "frame_predictions.csv")
    assert len(table) == 360
    assert set(table["split"]) == {"test"}


@pytest.mark.slow
def test_frame_predictions_of_folds_come_from_models_that_had_not_seen_the_group(
    actions: Path, tmp_path: Path
) -> None:
    # One subject alone shows "still": the model that has not seen it cannot know the class, the one that is kept can.
    data = read_data(actions)
    table = data.table.assign(group=[Path(name).name[:8] for name in data.table["video"]])
    few = Manifest(table, actions).filter(where="label != 'still' or group == 'person01'")
    settings = {"epochs": 30, "flip": False}
    run = train(few, run=str(tmp_path / "folds"), k="group", **{**QUICK, "settings": settings})
    frames = pd.read_csv(run.folder / "frame_predictions.csv")
    own = frames[frames["label"] == "still"]
    assert len(own) == 20
    assert (own["prediction"] != "still").all() and own["error"].all()
    assert run.recognizer.predict(actions / "still/person01_still.mp4").label == "still"


def test_the_backbone_can_be_trained_too(actions: Path, tmp_path: Path) -> None:
    import torch

    from kinema.models import FrameBackbone

    root = tmp_path / "actions"
    shutil.copytree(actions, root)
    (root / "still" / "person09_still.mp4").write_text("this is not a video")
    torch.manual_seed(0)
    before = FrameBackbone("test_resnet", "none").network.state_dict()
    run = train(
        root, run=str(tmp_path / "pixels"), model="lrcn", clip={**CLIP, "height": 64, "width": 64},
        settings={"epochs": 1, "batch_size": 6, "windows": 1}, device="torch",
        freeze=False, backbone="test_resnet", weights="none",
    )  # fmt: skip
    after = run.recognizer.factorised.backbone.network.state_dict()
    assert not torch.equal(before["conv1.0.weight"], after["conv1.0.weight"])
    assert run.results["fit_num_epochs"] == 1
    assert "person09_still.mp4" in run.results["report"]["data_description"]
    loaded = Recognizer.load(run.folder, device="torch").predict(actions / "still/person01_still.mp4")
    assert np.allclose(
        loaded.probabilities, run.recognizer.predict(actions / "still/person01_still.mp4").probabilities
    )


def test_the_default_model_can_train_its_backbone(actions: Path, tmp_path: Path) -> None:
    few = read_data(actions).filter(where="group in ['person01', 'person02', 'person03']")
    settings = {"epochs": 1, "batch_size": 6, "windows": 1}
    run = train(few, run=str(tmp_path / "pixels"), freeze=False, **{**QUICK, "settings": settings})
    assert np.isfinite(run.results["fit_train_loss"])


def test_unreadable_videos_are_listed_and_the_rest_is_learned(actions: Path, tmp_path: Path) -> None:
    root = tmp_path / "actions"
    shutil.copytree(actions, root)
    (root / "still" / "person07_still.mp4").write_bytes(b"")
    run = train(root, run=str(tmp_path / "run"), **QUICK)
    assert "person07_still.mp4" in run.results["report"]["data_description"]
    assert len(pd.read_csv(run.folder / "frame_predictions.csv")) == 360


def test_a_table_with_rates_of_frame_folders_may_hold_files_too(actions: Path, tmp_path: Path) -> None:
    table = read_data(actions).table.assign(fps=np.nan)
    table.loc[0, "fps"] = 25.0
    run = train(Manifest(table, actions), run=str(tmp_path / "run"), **QUICK)
    assert "left out" not in run.results["report"]["data_description"]
