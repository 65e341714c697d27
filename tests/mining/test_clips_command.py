"""`kinema mine clips` as it is typed, S3's command line too; names that disagree; names as text prompts."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.cli.app import run
from kinema.errors import DataError, UsageError
from kinema.mining.clips import ScoreCurve, Scorer, check_names, load_scorer
from kinema.mining.names import read_names
from kinema.models import ClipSpec, Recognizer
from kinema.video import VideoWriter, open_source


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained recognizer of small single pictures."""
    import torch

    torch.manual_seed(0)
    spec = ClipSpec(frames=1, fps=5.0, height=32, width=32)
    made = Recognizer.create("separable_cnn", ["jumping", "waving"], spec)
    return made.save(tmp_path_factory.mktemp("recognizer") / "model")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic video of 16 s at 10 frames a second: a grey scene with a red square for some of it."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    ground = (
        np.random.default_rng(3)
        .integers(60, 160, (6, 8, 3), dtype=np.uint8)
        .repeat(8, axis=0)
        .repeat(8, axis=1)
    )
    with VideoWriter(path, 10) as out:
        for index in range(160):
            picture = ground.copy()
            strength = max(0.0, 1 - abs(index - 80) / 20)
            picture[8:40, 8:40, 0] = (picture[8:40, 8:40, 0] * (1 - strength) + 255 * strength).astype(
                np.uint8
            )
            out.write(picture)
    return path


def test_s3_command_line(
    recognizer: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "classes.names"
    names.write_text("waving\njumping\n")
    command = [
        "mine", "clips", "--video-path", str(film), "--image-classifier-checkpoint", str(recognizer),
        "--class-names", str(names), "--out-dir", str(tmp_path / "out"), "--skip-frames", "2", "--n-clips", "2",
        "--clip-len", "5", "--cache-file", str(tmp_path / "cache.db"), "--min-score", "0",
    ]  # fmt: skip
    assert run(command) == 0
    said = capsys.readouterr()
    assert "another order than the recognizer's, whose order holds: 'jumping', 'waving'" in said.err
    assert "clips.csv" in said.out
    clips = sorted((tmp_path / "out" / "clips").iterdir())
    assert clips and all(path.name.startswith("film__") for path in clips)
    for path in clips:
        with open_source(path) as source:
            assert abs(sum(1 for _ in source.frames()) - 50) <= 1
    assert (tmp_path / "cache.db").is_file()
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["clips"] == len(clips)
    assert told["videos"][0]["error"] == ""


def test_scores_are_the_recognizers_own_whatever_order_a_list_of_names_has(
    recognizer: Path, film: Path, tmp_path: Path
) -> None:
    # S3 mined at another size than it was trained at, and took the columns' names from a list in another order.
    names = tmp_path / "classes.names"
    names.write_text("waving\njumping\n")
    command = ["mine", "clips", str(film), "--recognizer", str(recognizer), "--class-names", str(names)]
    assert run([*command, "--out", str(tmp_path / "out"), "--every", "2", "--dry-run"]) == 0
    with closing(sqlite3.connect(tmp_path / "out" / "scores.db")) as base:
        [(stored,)] = base.execute("select curve from curves")
    mined = ScoreCurve.from_bytes(stored)
    said = Recognizer.load(recognizer).predict(film)  # five pictures a second are every second one of ten
    assert mined.classes == said.classes == ["jumping", "waving"]
    assert (len(mined.times), mined.times) == (80, pytest.approx(said.times, abs=1e-3))
    # Untrained it says nearly a half of everything, but not the same of two pictures or classes.
    assert np.ptp(said.probabilities[:, 0]) > 1e-4 and abs(said.probabilities[:, 0] - 0.5).min() > 1e-4
    assert mined.scores == pytest.approx(said.probabilities, abs=1e-5)
    header = (tmp_path / "out" / "curves" / "film.csv").read_text().splitlines()[0]
    assert header == "time,shot,jumping,jumping smoothed,waving,waving smoothed"


def test_class_names_that_disagree(
    recognizer: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "kinetics.names"
    names.write_text("abseiling\njumping\n")
    command = ["mine", "clips", str(film), "--recognizer", str(recognizer), "--out", str(tmp_path / "out")]
    assert run([*command, "--class-names", str(names)]) == 2
    said = capsys.readouterr().err
    assert "names 'abseiling', which the recognizer does not know and lacks 'waving', which it knows" in said
    assert not (tmp_path / "out").exists()
    assert run([*command, "--class-names", str(tmp_path / "absent.names")]) == 3


def test_a_pickled_checkpoint_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x80\x02pickle")
    with pytest.raises(DataError, match="kinema mine classifier"):
        load_scorer(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "no video given"),
        (["VIDEO"], 2, "give --recognizer RUN, or --names"),
        (["VIDEO", "--recognizer", "RUN", "--names", "a,b"], 2, "one of the two"),
        (["absent.mp4", "--recognizer", "RUN"], 3, "absent.mp4: no such file or folder"),
        (["VIDEO", "--recognizer", "absent"], 3, "absent: no such file or folder"),
        (["VIDEO", "--recognizer", "RUN", "--clip-len", "0"], 2, "clip length 0"),
        (["VIDEO", "--recognizer", "RUN", "--label", "jumpin"], 2, "did you mean 'jumping'"),
        (["VIDEO", "--names", "a", "--class-names", "x"], 2, "--class-names: checks a recognizer"),
        (["VIDEO", "--names", "absent.txt"], 2, "absent.txt: no such file"),
    ],
)
def test_wrong_calls(
    words: list[str],
    code: int,
    said: str,
    recognizer: Path,
    film: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"VIDEO": str(film), "RUN": str(recognizer)}
    assert run(["mine", "clips", *[places.get(word, word) for word in words]]) == code
    assert said in capsys.readouterr().err


def test_names_of_files_and_texts(tmp_path: Path) -> None:
    listed = tmp_path / "names.txt"
    listed.write_text("# actions\nriding a bike\n\nhugging\nriding a bike\n")
    assert read_names([str(listed)]) == ["riding a bike", "hugging"]
    assert read_names(["riding a bike, hugging"]) == ["riding a bike", "hugging"]
    with pytest.raises(UsageError, match="no action is named"):
        read_names([" , "])
    listed.write_bytes("schütteln\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"names\.txt: line 1 is not UTF-8 text"):
        read_names([str(listed)])


def test_the_order_of_names_is_the_recognizers() -> None:
    scorer: Any = Scorer("it", ["b", "a"], ClipSpec(), None, lambda logits: logits, "x")  # type: ignore[arg-type]
    assert check_names(scorer, ["b", "a"], "list") is None
    assert (
        check_names(scorer, ["a", "b"], "list")
        == "list: another order than the recognizer's, whose order holds: 'b', 'a'"
    )


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A CLIP of random weights that open_clip builds: 32 px, 2 layers; and the file of its weights."""
    open_clip = pytest.importorskip("open_clip", reason="needs kinema[mining]")
    import torch

    folder = tmp_path_factory.mktemp("clip")
    tower = {"width": 32, "layers": 2}
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "patch_size": 16, "head_width": 16, **tower},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "heads": 2, **tower},
    }
    (folder / "tiny-test-clip.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "tiny-test-clip.json")
    torch.manual_seed(0)
    network = open_clip.create_model("tiny-test-clip")
    torch.save(network.state_dict(), folder / "weights.pt")
    return "tiny-test-clip", folder / "weights.pt"


def test_text_prompts(tiny_clip: tuple[str, Path], film: Path, tmp_path: Path) -> None:
    import open_clip
    import torch

    from kinema.mining.clips.prompts import prompt_scorer

    model, weights = tiny_clip
    scorer = prompt_scorer(
        ["hugging", "riding a bike"], model, str(weights), templates=["a photo of {}"], device="cpu"
    )
    assert scorer.classes == ["hugging", "riding a bike", "none of these"]
    assert scorer.actions == ["hugging", "riding a bike"]
    assert (scorer.spec.frames, scorer.spec.height) == (1, 32)
    # The same numbers as open_clip's own use of the model.
    network = open_clip.create_model(model, pretrained=str(weights)).eval()
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    with torch.inference_mode():
        mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
        std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
        images = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - mean) / std
        texts = open_clip.get_tokenizer(model)(["a photo of hugging", "a photo of riding a bike"])
        first = network.encode_image(images, normalize=True)
        second = network.encode_text(texts, normalize=True)
        expected = (network.logit_scale.exp() * first @ second.T).numpy()
    logits, _ = scorer.follower.advance(scorer.follower.embed(pictures), None)
    assert logits[:, :2] == pytest.approx(expected, abs=1e-3)
    command = [
        "mine", "clips", str(film), "--names", "hugging,riding a bike", "--clip-model", model, "--clip-weights",
        str(weights), "--out", str(tmp_path / "out"), "--seconds", "3", "--min-score", "0", "--every", "5",
    ]  # fmt: skip
    assert run(command) == 0
    assert list((tmp_path / "out" / "clips").iterdir())


def test_text_prompts_without_weights(tiny_clip: tuple[str, Path]) -> None:
    from kinema.mining.clips.prompts import prompt_scorer

    with pytest.raises(
        UsageError, match="open_clip names no weights for it; give a file with --clip-weights"
    ):
        prompt_scorer(["hugging"], tiny_clip[0])
    with pytest.raises(UsageError, match="did you mean 'ViT-B-16'"):
        prompt_scorer(["hugging"], "ViT-B-166")
    with pytest.raises(UsageError, match="no such file, and no tag of ViT-B-32"):
        prompt_scorer(["hugging"], "ViT-B-32", "absent.pt")
    with pytest.raises(UsageError, match=r"put \{\} where the name stands"):
        prompt_scorer(["hugging"], tiny_clip[0], str(tiny_clip[1]), templates=["a photo"])
