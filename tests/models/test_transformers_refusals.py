"""VideoMAE, TimeSformer and V-JEPA 2: what cannot be had or cannot be is one line that says what to do."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.models import create_model, model_entry, model_hub

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="the extra 'transformers' is not installed"
)
SPEC = ClipSpec(frames=4, fps=5, height=32, width=32)
NAMES = {"videomae": "videomae_base", "timesformer": "timesformer_base", "vjepa2": "vjepa2_vitl"}


@needs_transformers
@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("videomae_small", "MCG-NJU/videomae-small-finetuned-kinetics"),
        ("timesformer_base", "facebook/timesformer-base-finetuned-k400"),
        ("vjepa2_vitl", "facebook/vjepa2-vitl-fpc64-256"),
    ],
)
def test_official_weights_without_a_network_are_one_line(
    name: str, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    def refuse(where: str, **settings: Any) -> None:
        assert where == repository
        raise OSError("We couldn't connect to the hub\nlong story")

    monkeypatch.setattr(model_hub, "_answers", lambda address: True)
    monkeypatch.setattr(transformers.PretrainedConfig, "from_pretrained", refuse)
    with pytest.raises(DataError) as caught:
        create_model(name, 3, weights="official")
    assert "We couldn't connect to the hub" in str(caught.value)
    assert repository in str(caught.value)
    assert "weights=PATH" in str(caught.value) and "weights=none" in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_transformers
def test_a_hub_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(model_hub, "_answers", lambda address: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    began = time.perf_counter()
    with pytest.raises(DataError, match="the hub does not answer, and they were not fetched before"):
        create_model("videomae_small", 3, weights="official")
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("name", list(NAMES.values()))
def test_without_the_extra_one_line_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError) as caught:
        create_model(name, 3, weights="none")
    assert str(caught.value) == (
        f"model '{name}' needs the transformers extra; pip install 'kinema[transformers]'"
    )


@pytest.mark.parametrize(
    ("name", "changes", "settings", "words"),
    [
        ("videomae_base", {"frames": 15}, {}, "patches of 2 x 16 x 16"),
        ("videomae_base", {"frames": 15}, {}, "set frames=16"),
        ("videomae_base", {"frames": 1}, {}, "at least 2 frames, not 1: set frames=2"),
        ("videomae_small", {"width": 230, "height": 217}, {}, "set width=224 and height=224"),
        ("timesformer_base", {"height": 100}, {}, "patches of 16 x 16"),
        ("timesformer_base", {"height": 8}, {}, "at least 16 x 16 pixels"),
        ("vjepa2_vitl", {"height": 224}, {}, "square pictures, not 256 x 224: set width=224 and height=224"),
        ("vjepa2_vitl", {}, {"wieghts": "none"}, "did you mean 'weights'?"),
    ],
)
def test_clips_and_settings_that_cannot_be_are_one_line(
    name: str, changes: dict[str, int], settings: dict[str, Any], words: str
) -> None:
    spec = ClipSpec.from_dict({**model_entry(name).spec.to_dict(), **changes})
    with pytest.raises(UsageError) as caught:
        create_model(name, 3, spec, **{"weights": "none", **settings})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_transformers
@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("videomae", {"heads": 5}, "the dim a multiple of the heads"),
        ("timesformer", {"depth": 0}, "give whole numbers of at least 1"),
        ("vjepa2", {"weights": "no/such/folder"}, "no/such/folder: no such folder; give none, official"),
        ("vjepa2", {"weights": "none", "probe_depth": 0}, "give at least 1"),
    ],
)
def test_sizes_and_folders_that_cannot_be_are_one_line(
    kind: str, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        create_model(NAMES[kind], 3, SPEC, **{"dim": 48, "depth": 2, "heads": 2, **settings})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
