"""Exported recognizers: the same numbers as torch in every format, what travels in the files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, KinemaError, UsageError
from kinema.export import export_recognizer, load_exported
from kinema.models import FactorisedModel, Recognizer, model_entry, model_names
from kinema.models.runtimes import choice, opening
from kinema.models.runtimes.graphs import read_info
from kinema.models.runtimes.parts import parts_of
from kinema.video import VideoWriter

SPEC = ClipSpec(frames=5, fps=5, height=48, width=64)
CLASSES = ["walk", "run", "wave"]

# What each model is exported as: whole, backbone, head, step; the table of docs/export.md says the same.
FACTORISED = {
    "cnn_lstm", "dinov2_probe", "frame_mlp", "image_mlp", "lrcn", "lrcn_bilstm", "motion_moments", "separable_cnn",
    "vgg16_look_back", "vgg16_lstm", "video_lrcnn", "video_mlp_concat",
}  # fmt: skip
STEPPED = {"movinet_a0", "movinet_a1", "movinet_a2", "tsm", "tsm_resnet50"}
SLOW = {
    "movinet_a0", "movinet_a1", "movinet_a2", "mvit_v2_s", "s3d", "swin3d_b", "swin3d_s", "swin3d_t", "timesformer_base",
    "tsm_resnet50", "videomae_base", "vjepa2_vitl", "x3d_m", "x3d_s",
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def lively(name: str = "lrcn", spec: ClipSpec = SPEC, **settings: Any) -> Recognizer:
    """An untrained recognizer whose answers differ from picture to picture."""
    torch.manual_seed(0)
    entry = model_entry(name)
    wanted = {"backbone": "test_resnet", "weights": "none", **entry.tiny, **settings}
    known = {key: value for key, value in wanted.items() if key in entry.settings}
    recognizer = Recognizer.create(name, CLASSES, spec, **known)
    recognizer.device = "torch"
    with torch.no_grad():
        model = recognizer.model.train()
        for _ in range(2):
            model(spec.clip(clips(spec, 3)))
        model.eval()
    return recognizer


def clips(spec: ClipSpec, count: int, seed: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    levels = np.linspace(0.2, 1, count * spec.frames).reshape(count, spec.frames, 1, 1, 1)
    noise = rng.integers(0, 256, (count, spec.frames, spec.height, spec.width, 3))
    return torch.from_numpy((noise * levels).astype(np.uint8))


def expected(recognizer: Recognizer, given: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        logits = recognizer.model.eval()(recognizer.spec.clip(given))
        return torch.softmax(logits / recognizer.temperature, 1).numpy()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 frames at 5 a second of a synthetic square that moves."""
    path = tmp_path_factory.mktemp("synthetic") / "square.mp4"
    with VideoWriter(path, 5, size=(64, 48)) as out:
        for index in range(16):
            picture = np.full((48, 64, 3), 60, np.uint8)
            picture[10:30, 3 * index : 3 * index + 16] = (240, 90, 10 * index)
            out.write(picture)
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    recognizer = lively(head="lstm")
    recognizer.temperature = 0.5
    recognizer.provenance = {"data_fingerprint": "abc", "data": "/somewhere/private"}
    recognizer.save(tmp_path_factory.mktemp("run") / "recognizer")
    return recognizer


@pytest.mark.parametrize("to", ["onnx", "openvino", "torchscript"])
def test_every_format_has_torchs_numbers_in_any_batch_and_in_a_stream(
    saved: Recognizer, to: str, video: Path
) -> None:
    if to == "openvino":
        pytest.importorskip("openvino", reason="needs kinema[export]")
    result = export_recognizer(saved, to)
    assert result.folder == saved.folder / to  # type: ignore[operator]
    assert sorted(result.files) == ["backbone", "head", "whole"]
    assert result.parity.worst <= 1e-4
    assert not result.real  # there is no run folder around it
    model = load_exported(result.folder, threads=1)
    for count in (1, 3, 4):
        given = clips(SPEC, count, seed=count)
        found = model.predict(given.numpy())
        assert found.shape == (count, 3)
        assert np.abs(found - expected(saved, given)).max() <= 1e-4
    assert np.ptp(expected(saved, clips(SPEC, 4)), axis=0).max() > 1e-3  # so that equality says something
    rows = list(saved.stream(video))
    streamed = list(model.stream(row.picture for row in rows))
    assert len(streamed) == 16
    assert np.abs(np.stack(streamed) - np.stack([row.probabilities for row in rows])).max() <= 1e-4
    # The recognizer itself, by the name of the runtime.
    loaded = Recognizer.load(saved.folder, runtime=to)  # type: ignore[arg-type]
    assert loaded.follower.engine == {"onnx": "onnxruntime cpu"}.get(to, f"{to} cpu")
    found = loaded.predict(video)
    assert np.abs(found.probabilities - saved.predict(video).probabilities).max() <= 1e-4
    again = np.stack([row.probabilities for row in loaded.stream(video)])
    assert np.abs(again - found.probabilities).max() <= 1e-4


def test_an_onnx_file_alone_says_how_it_is_used(saved: Recognizer, tmp_path: Path) -> None:
    import onnxruntime

    result = export_recognizer(saved, "onnx", streaming=False, out=tmp_path / "alone")
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["model.onnx"]
    # What docs/export.md shows: onnxruntime and numpy, nothing of kinema.
    session = onnxruntime.InferenceSession(str(result.files["whole"]), providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    clip, classes = json.loads(told["clip"]), json.loads(told["classes"])
    assert classes == ["walk", "run", "wave"]
    assert (clip["frames"], clip["fps"], clip["height"], clip["width"]) == (5, 5.0, 48, 64)
    assert json.loads(told["temperature"]) == 0.5
    assert json.loads(told["model"]) == "lrcn"
    assert json.loads(told["settings"])["head"] == "lstm"
    assert json.loads(told["kinema"]) == "0.1.0"
    assert json.loads(told["fingerprint"]) == saved.fingerprint()
    assert json.loads(told["provenance"]) == {
        "data_fingerprint": "abc"
    }  # and no path of the one who trained it
    given = clips(SPEC, 2)
    (probabilities,) = session.run(["probabilities"], {"pictures": given.numpy()})
    assert np.abs(probabilities - expected(saved, given)).max() <= 1e-4


def test_streaming_alone_has_no_graph_of_whole_clips(saved: Recognizer, tmp_path: Path) -> None:
    export_recognizer(saved, "onnx", whole=False, out=tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["backbone.onnx", "head.onnx"]
    model = load_exported(tmp_path / "two" / "head.onnx")
    assert model.info.part == "head"
    assert [(s.name, s.shape, s.begins) for s in model.info.states] == [
        ("ring", (5, model.info.states[0].shape[1]), "first")
    ]
    with pytest.raises(UsageError, match="no graph of whole clips"):
        model.predict(clips(SPEC, 1).numpy())
    assert len(list(model.stream(clips(SPEC, 1).numpy()[0]))) == 5


def _cases() -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in model_names()]


@pytest.mark.parametrize("name", _cases())
def test_every_model_exports_what_it_claims(name: str, tmp_path: Path) -> None:
    entry = model_entry(name)
    spec = entry.tiny_spec or ClipSpec(frames=4, fps=5, height=64, width=64)
    recognizer = lively(name, spec)
    parts = set(parts_of(recognizer.model, spec, 1.0))
    claimed = {"backbone", "head"} if name in FACTORISED else {"step"} if name in STEPPED else set()
    assert parts == {"whole", *claimed}
    assert isinstance(recognizer.model, FactorisedModel) == (name in FACTORISED)
    for to in ("onnx", "torchscript"):
        result = export_recognizer(recognizer, to, out=tmp_path / to)
        assert set(result.files) == parts
        assert result.parity.stream is not None and result.parity.stream <= 1e-4
        assert load_exported(tmp_path / to).predict(clips(spec, 3).numpy()).shape == (3, 3)


def test_a_state_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.models.runtimes import parts

    recognizer = lively("tsm", model_entry("tsm").tiny_spec)  # type: ignore[arg-type]
    monkeypatch.setattr(parts, "step_module", lambda *given: None)
    with pytest.raises(UsageError, match="whole clips only"):
        export_recognizer(recognizer, "onnx", whole=False, out=tmp_path / "x")
    result = export_recognizer(recognizer, "onnx", out=tmp_path / "x")
    assert set(result.files) == {"whole"} and "whole clips only" in result.note
    with pytest.raises(UsageError, match="no graphs that follow a stream"):
        next(load_exported(tmp_path / "x").stream(clips(recognizer.spec, 1).numpy()[0]))


def test_a_graph_that_differs_leaves_nothing_behind(
    saved: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.export import export as module

    good = module.WRITERS["torchscript"]
    bias = saved.model.head.classifier[1].bias  # type: ignore[union-attr, index]

    def wrong(part: Any, info: Any, folder: Path) -> Path:
        kept = bias.detach().clone()
        with torch.no_grad():
            bias[0] += 0.1  # what is written has other weights than the recognizer
            path = good(part, info, folder)
            bias.copy_(kept)
        return path

    monkeypatch.setitem(module.WRITERS, "torchscript", wrong)
    with pytest.raises(
        KinemaError, match=r"differ from PyTorch by more than 1e-04 \(whole .*nothing was written"
    ):
        export_recognizer(saved, "torchscript", out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_stale_files_are_refused_by_name_and_left_alone_by_auto(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is measured on a busy machine may be torch, which needs no file.
    monkeypatch.setattr(opening, "choose_runtime", lambda *_: choice.Choice("onnx", {}, "of this test"))
    recognizer = lively(head="mean")
    folder = recognizer.save(tmp_path / "recognizer")
    export_recognizer(recognizer, "onnx")
    recognizer.temperature = 3.0
    recognizer.save(folder)
    with pytest.raises(DataError, match=r"other weights or settings.*kinema export .* --to onnx, or delete"):
        _ = Recognizer.load(folder, runtime="onnx").follower
    with pytest.warns(UserWarning, match="left alone"):
        found = Recognizer.load(folder, device="cpu").predict(video)
    assert np.abs(found.probabilities - recognizer.predict(video).probabilities).max() <= 1e-4
    export_recognizer(recognizer, "onnx")  # the mend
    assert read_info(folder / "onnx" / "model.onnx").temperature == 3.0
    assert Recognizer.load(folder, runtime="onnx").follower.engine == "onnxruntime cpu"


@pytest.mark.parametrize("name", ["lrcn", "c3d", "tsm"])
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_graphs_are_made_on_the_fly_where_none_was_exported(
    name: str, runtime: str, tmp_path: Path, video: Path
) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="needs kinema[export]")
    spec = model_entry(name).tiny_spec or SPEC
    recognizer = lively(name, spec)
    folder = recognizer.save(tmp_path / "recognizer")
    other = Recognizer.load(folder, runtime=runtime)
    assert other.follower.engine == f"{runtime}runtime cpu".replace("openvinoruntime", "openvino")
    found = other.predict(video).probabilities
    assert np.abs(found - recognizer.predict(video).probabilities).max() <= 1e-4
    assert np.abs(np.stack([row.probabilities for row in other.stream(video)]) - found).max() <= 1e-4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"to": "onxx"}, "did you mean 'onnx'"),
        ({"to": "torchscript", "int8": True}, "take --to onnx or --to openvino"),
        ({"to": "onnx", "whole": False, "streaming": False}, "neither for both"),
        ({"to": "onnx", "int8": True}, "give their manifest with --data"),
        ({"to": "onnx", "data": "/no/such/manifest.csv"}, "no such file"),
    ],
)
def test_wrong_calls_are_one_line(
    saved: Recognizer, tmp_path: Path, call: dict[str, Any], message: str
) -> None:
    with pytest.raises(KinemaError, match=message) as caught:
        export_recognizer(saved, out=tmp_path / "out", **call)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() and list(tmp_path.iterdir()) == []


def test_runtimes_that_are_not_there(
    saved: Recognizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = saved.folder
    assert folder is not None
    with pytest.raises(UsageError, match="did you mean 'onnx'"):
        Recognizer.load(folder, runtime="onx")
    with pytest.raises(UsageError, match=r"nothing exported.*kinema export .* --to onnx --int8"):
        _ = Recognizer.load(folder, runtime="onnx-int8").follower
    with pytest.raises(UsageError, match="leave out device 'cuda'"):
        Recognizer.load(folder, device="cuda", runtime="onnx")
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    for action in (
        lambda: Recognizer.load(folder, runtime="openvino").follower,
        lambda: export_recognizer(saved, "openvino", out=tmp_path / "x"),
    ):
        with pytest.raises(UsageError, match=r"needs the export extra; pip install 'kinema\[export\]'"):
            action()
    assert list(tmp_path.iterdir()) == []


def test_damaged_and_foreign_files_are_named(saved: Recognizer, tmp_path: Path) -> None:
    result = export_recognizer(saved, "onnx", streaming=False, out=tmp_path / "out")
    path = result.files["whole"]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"model\.onnx: damaged.*export again"):
        load_exported(path)
    with pytest.raises(DataError, match="holds no exported file"):
        load_exported(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        load_exported(tmp_path / "nothing.onnx")


def test_a_full_disk_is_one_line_and_leaves_nothing(
    saved: Recognizer, tmp_path: Path, small_files: Any
) -> None:
    with small_files(), pytest.raises(KinemaError, match="cannot be written") as caught:
        export_recognizer(lively("lrcn", backbone="mobilenetv2_035"), "onnx", out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_clips_of_another_shape_are_refused(saved: Recognizer, tmp_path: Path) -> None:
    model = load_exported(export_recognizer(saved, "onnx", streaming=False, out=tmp_path / "x").folder)
    with pytest.raises(UsageError, match=r"give uint8 \(5, 48, 64, 3\)"):
        model.predict(np.zeros((5, 48, 64, 3), np.float32))
    assert model.predict(np.zeros((5, 48, 64, 3), np.uint8)).shape == (3,)


def test_the_choice_of_a_runtime_is_measured_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.models import FrameBackbone

    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path))
    seconds = {"onnxruntime cpu": 1.0, "torch cpu": 0.86, "openvino cpu": 2.0}
    asked: list[str] = []

    def told(embed: Any, pictures: Any, rounds: int = 3) -> float:
        asked.append(embed.engine)
        return 4e-3 * seconds[embed.engine]

    monkeypatch.setattr(choice, "_seconds", told)
    backbone = FrameBackbone("test_resnet", "none")
    first = choice.choose_runtime(backbone, SPEC)
    assert first.runtime == "onnx"  # torch is faster by 14 %, less than the margin of 15 %
    assert (first.milliseconds["onnx"], first.milliseconds["torch"]) == (1.0, 0.86)
    count = len(asked)
    seconds["torch cpu"] = 0.5
    assert choice.choose_runtime(backbone, SPEC) == first and len(asked) == count  # from the cache folder
    assert choice.choose_runtime(backbone, SPEC, anew=True).runtime == "torch"
    (path,) = (tmp_path / "runtimes").glob("*.json")
    path.write_text("{")  # damaged: measured anew
    assert choice.choose_runtime(backbone, SPEC).runtime == "torch"

    def fail(*given: Any, **named: Any) -> float:
        raise RuntimeError("no clock")

    monkeypatch.setattr(choice, "_seconds", fail)
    fallen = choice.choose_runtime(backbone, SPEC, anew=True)
    assert fallen.runtime == "onnx" and "no clock" in fallen.why


def _manifest(folder: Path, recognizer: Recognizer) -> Path:
    """A run folder around a recognizer, with two short synthetic videos a class in train and in valid."""
    rng = np.random.default_rng(0)
    lines = ["video,start,end,label,split,group"]
    for split in ("train", "valid"):
        for number, label in enumerate(CLASSES):
            path = folder / f"{split}-{label}.mp4"
            with VideoWriter(path, 5, size=(64, 48)) as out:
                for index in range(8):
                    picture = rng.integers(0, 80 + 60 * number, (48, 64, 3), dtype=np.uint8)
                    picture[8:24, 4 * index : 4 * index + 12] = 60 * (number + 1)
                    out.write(picture)
            lines.append(f"{path.name},,,{label},{split},{split}{number}")
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    recognizer.save(folder / "recognizer")
    return folder


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_int8_is_written_with_its_figures(tmp_path: Path, to: str) -> None:
    if to == "openvino":
        pytest.importorskip("openvino", reason="needs kinema[export]")
    recognizer = lively(head="mean")
    run = _manifest(tmp_path, recognizer)
    recognizer.temperature = 10.0 * recognizer.temperature
    result = export_recognizer(recognizer, to, int8=True)
    assert result.real  # compared on the pictures of the training videos
    assert result.accuracy is not None
    assert (result.accuracy.videos, result.accuracy.windows) == (3, 3 * 4)  # 8 pictures, windows of 5
    assert result.accuracy.lost <= 1.0
    assert sorted(result.files) == ["backbone", "head", "whole"]
    info = read_info(result.files["backbone"])
    assert info.precision == "int8" and info.note.startswith("int8, ranges by")
    model = load_exported(run / "recognizer" / f"{to}-int8", threads=1)
    given = clips(SPEC, 3)
    rough, exact = model.predict(given.numpy()), expected(recognizer, given)
    assert 0 < np.abs(rough - exact).max() < 0.2  # another computation, near enough


def test_int8_that_loses_too_much_is_refused_with_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.export import int8 as module
    from kinema.export.accuracy import Accuracy

    recognizer = lively(head="mean")
    run = _manifest(tmp_path, recognizer)
    worse = Accuracy(144, (138, 136), 140, 432, (413, 412), 420)
    assert worse.lost == pytest.approx(100 * 2 / 144)
    monkeypatch.setattr(module, "compare", lambda *given: worse)
    monkeypatch.setattr(module, "RECIPES", module.RECIPES[:1])
    with pytest.raises(
        KinemaError, match=r"136 of 144 right in int8, 138 in float32.*412 of 432, 413"
    ) as caught:
        export_recognizer(recognizer, "onnx", int8=True)
    assert "nothing was written" in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(path.name for path in (run / "recognizer").iterdir()) == [
        "recognizer.json",
        "weights.safetensors",
    ]
