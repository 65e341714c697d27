"""Parameters and GFLOPs of every registered model: against published figures, in its docstring, and in docs/models.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch import nn

from kinema.cli.app import run
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.models import VideoModel, model_entry, model_names, register
from kinema.models.catalogue import BEGIN, END, markdown, write_table
from kinema.models.cost import ModelCost, model_cost
from kinema.models.registry import Published

pytest.importorskip("transformers", reason="four of the models need the transformers extra")

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
every_model = pytest.mark.parametrize("name", model_names())


@pytest.fixture(scope="session")
def costs() -> dict[str, ModelCost]:
    return {name: model_cost(name) for name in model_names()}


@pytest.mark.parametrize(
    ("name", "parameters", "gflops"),
    [
        # torchvision's table of video models; Swin's and S3D's operations are those of 16 frames.
        ("r3d_18", 33_371_472, 40.697),
        ("mc3_18", 11_695_440, 43.343),
        ("r2plus1d_18", 31_505_325, 40.519),
        ("s3d", 8_320_048, 17.979),
        ("mvit_v1_b", 36_610_672, 70.599),
        ("mvit_v2_s", 34_537_744, 64.224),
        ("swin3d_t", 28_158_070, 43.882),
        ("swin3d_s", 49_816_678, 82.841),
        ("swin3d_b", 88_048_984, 140.667),
        # PyTorchVideo's table: 34.57 M and 65.71 G; X3D's 3.79 M, and the operations of PySlowFast's at the size of training.
        ("slowfast", 34_570_000, 65.71),
        ("x3d_xs", 3_790_000, 0.60),
        ("x3d_s", 3_790_000, 1.96),
        ("x3d_m", 3_790_000, 4.73),
        # MMAction2's tables.
        ("c3d", 78_400_000, 38.5),
        ("timesformer_base", 122_000_000, 196),
        ("videomae_base", 87_000_000, 180),
        # VideoMAE's paper, not at hand to be checked.
        ("videomae_small", 22_000_000, 57),
        # The released PyTorch code, counted (the Lite model made of it says 3.75 M), and its layers on paper.
        ("movinet_a0", 3_748_031, 2.43),
        ("movinet_a1", 6_447_352, 5.54),
        ("movinet_a2", 7_326_962, 10.70),
        # MMAction2's operations; torchvision's ResNet-50 with 400 in place of 1,000 classes: 25,557,032 - 600 * 2049.
        ("tsm_resnet50", 24_327_632, 32.88),
        # EfficientNet-Lite0: 4.652 M with 1,000 classes, of which the classifier is 1.281 M; this one has 0.512 M.
        ("tsm", 3_883_000, None),
        ("lrcn_bilstm", None, 16 * 1.814),  # ResNet-18 of torchvision: 1.814 G a picture
        (
            "vgg16_look_back",
            None,
            4 * 15.36,
        ),  # VGG16's convolutions: 15.47 G of torchvision less 0.12 of dense layers
        ("video_lrcnn", 19_699_266, 20 * 15.35),
    ],
)
def test_parameters_and_gflops_are_those_that_others_give(
    costs: dict[str, ModelCost], name: str, parameters: int | None, gflops: float | None
) -> None:
    if parameters is not None:
        exact = parameters % 10_000 != 0 and name != "tsm"
        found = costs[name].parameters
        assert found == parameters if exact else found == pytest.approx(parameters, rel=0.007)
    if gflops is not None:
        assert costs[name].published_gflops == pytest.approx(gflops, rel=0.012)


@every_model
def test_registered_figures_are_what_is_counted(costs: dict[str, ModelCost], name: str) -> None:
    published = model_entry(name).published
    if published is None:
        pytest.skip("has no published figures")
    # MoViNet's authors counted before they changed their networks.
    within = 0.11 if name.startswith("movinet") else 0.012
    if published.millions is not None:
        assert costs[name].parameters / 1e6 == pytest.approx(published.millions, rel=within)
    if published.gflops is not None:
        assert costs[name].published_gflops == pytest.approx(published.gflops, rel=within)


@every_model
def test_a_docstring_gives_paper_shapes_cost_and_a_diagram(costs: dict[str, ModelCost], name: str) -> None:
    entry = model_entry(name)
    text = entry.description
    assert entry.paper
    for paper in re.findall(r"arXiv \d{4}\.\d{4,5}", entry.paper):
        assert paper in " ".join(text.split())
    assert text.count("```") == 2 and "─▶" in text
    said = re.findall(r"([\d.]+) GFLOPs", text)
    assert any(_rounds_to(costs[name].gflops, number) for number in said), (costs[name].gflops, said)
    millions = re.findall(r"([\d.]+) M\s+parameters", text)
    exact = f"{costs[name].parameters:,}"
    assert exact in text or any(_rounds_to(costs[name].parameters / 1e6, number) for number in millions)


def _rounds_to(value: float, text: str) -> bool:
    decimals = len(text.rstrip(".").partition(".")[2])
    return abs(value - float(text.rstrip("."))) <= 0.500001 * 10**-decimals


def test_what_a_stream_computes_and_what_is_exported(costs: dict[str, ModelCost]) -> None:
    found = {name: (costs[name].every, costs[name].exports) for name in ("lrcn", "tsm", "movinet_a0", "c3d")}
    assert found == {
        "lrcn": (0, "backbone + head"), "tsm": (0, "step"), "movinet_a0": (0, "step"), "c3d": (4, ""),
    }  # fmt: skip


def test_the_table_in_the_documentation_is_current(costs: dict[str, ModelCost]) -> None:
    _, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    table, end, _ = rest.partition(END)
    assert begin and end
    assert table.strip() == markdown(costs.values()), "run `kinema models --write docs/models.md`"


def test_a_row_by_hand(costs: dict[str, ModelCost]) -> None:
    lines = markdown([costs["x3d_m"], costs["c3d_small"]]).splitlines()
    assert lines[2] == (
        "| `x3d_m` | Feichtenhofer, CVPR 2020, arXiv 2004.04730 | 16 x 256 x 256 | 400 | 3.79 M | 6.18 | "
        "3.8 M, 4.73 at 16 x 224 x 224 (ours 4.73) | a clip every 4 | clip |"
    )
    assert (
        lines[3]
        == "| `c3d_small` | S4's C3Dsmall | 16 x 112 x 112 | 6 | 7.83 M | 5.73 | none | a clip every 4 | clip |"
    )
    assert markdown([costs["x3d_xs"]]).splitlines()[2].endswith("| a clip every picture | clip |")
    assert lines[-1] == "- `x3d_m`: facebookresearch/SlowFast, MODEL_ZOO.md."


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Mine\n{BEGIN}\nold\n{END}\nand more\n")
    write_table(page, "| new |")
    assert page.read_text() == f"# Mine\n{BEGIN}\n\n| new |\n\n{END}\nand more\n"
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("no marks", "put the lines"), (f"{END}\n{BEGIN}", "put the lines"), (None, "no such file")],
)
def test_a_page_without_marks_is_left_alone(tmp_path: Path, text: str | None, words: str) -> None:
    page = tmp_path / "page.md"
    if text is not None:
        page.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        write_table(page, "| new |")
    assert str(caught.value).startswith(f"{page}: ") and "\n" not in str(caught.value)
    assert not page.exists() if text is None else page.read_text() == text


def test_the_command_describes_a_model_and_refuses_what_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "c3d"]) == 0
    out = capsys.readouterr().out
    assert "arXiv 1412.0767" in out
    assert "settings: channels=64 hidden=4096 dropout=0.5 stride=4" in out
    assert "clip: frames=16 fps=8.0 height=112 width=112" in out
    assert run(["models", "c3b"]) == 2
    assert "did you mean 'c3d'?" in capsys.readouterr().err
    assert run(["models", "--write", str(tmp_path / "none.md")]) == 3
    assert "none.md: no such file" in capsys.readouterr().err
    assert run(["models", "c3d", "--write", str(tmp_path / "none.md")]) == 2


def test_a_name_and_a_setting_of_clips_cannot_be_taken_twice() -> None:
    def build(num_classes: int, spec: ClipSpec, width: int = 3) -> VideoModel:
        raise AssertionError

    with pytest.raises(ValueError, match="a clip has a setting 'width' already"):
        register("of_its_own", spec=ClipSpec())(build)
    with pytest.raises(ValueError, match="'c3d' is registered twice"):
        register("c3d", spec=ClipSpec())(lambda num_classes, spec: VideoModel(num_classes))
    with pytest.raises(UsageError):
        model_entry("of_its_own")


def test_no_setting_of_a_model_is_also_one_of_training_or_clips() -> None:
    from dataclasses import fields

    from kinema.training import TrainSettings

    others = {field.name for kind in (TrainSettings, ClipSpec) for field in fields(kind)}
    assert {name: sorted(others & set(model_entry(name).settings)) for name in model_names()} == {
        name: [] for name in model_names()
    }


def test_a_layer_is_counted_as_in_papers_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.models import registry

    class Small(VideoModel):
        """A convolution of 3 x 3 x 3 from 3 to 2 channels over 4 x 6 x 6, and an LSTM of 5 over the 4 means."""

        def __init__(self) -> None:
            super().__init__(2)
            self.convolution = nn.Conv3d(3, 2, 3, padding=1, bias=False)
            self.lstm = nn.LSTM(2, 5, batch_first=True)

        def forward(self, clips):  # type: ignore[no-untyped-def]
            return self.lstm(self.convolution(clips).mean((3, 4)).transpose(1, 2))[0][:, -1, :2]

    monkeypatch.setattr(registry, "_ENTRIES", {})
    spec, published = ClipSpec(frames=4, height=6, width=6), Published("nobody", clip=(2, 6))
    register("small", spec=spec, published=published)(lambda num_classes, spec: Small())
    cost = model_cost("small")
    convolution = 27 * 3 * 2 * 4 * 6 * 6
    lstm = 4 * (4 * 5 * (2 + 5))
    assert cost.gflops * 1e9 == pytest.approx(convolution + lstm)
    assert cost.published_gflops * 1e9 == pytest.approx((convolution + lstm) / 2)
    assert cost.parameters == 27 * 3 * 2 + 4 * 5 * (2 + 5 + 2)
