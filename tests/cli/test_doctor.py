"""`kinema doctor`: a table of what works, the mend for what does not, and the exit code."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from kinema.cli import doctor_checks
from kinema.cli.app import run
from kinema.cli.doctor_checks import examine


def test_everything_essential_works_here_and_json_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json", "--quick"]) == 0
    findings = {item["part"]: item for item in json.loads(capsys.readouterr().out)}
    for part in (
        "Python",
        "torch",
        "torchvision",
        "timm",
        "video",
        "ONNX Runtime",
        "bundled weights",
        "fonts",
        "cache",
    ):
        assert findings[part]["status"] == "ok", findings[part]
    assert findings["Python"]["found"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert metadata.version("av") in findings["video"]["found"]
    assert "speed" not in findings


def test_a_cache_that_cannot_be_written_fails_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(
        doctor_checks,
        "_CHECKS",
        [check for check in doctor_checks._CHECKS if check[0] in ("Python", "cache")],
    )
    assert run(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    (cache,) = [line for line in lines if line.startswith("fail")]
    assert "cache: KinemaError" in cache and "mend: set KINEMA_CACHE to a folder that you may write" in cache
    assert "not working: cache" in lines


def test_a_missing_library_fails_and_the_others_are_still_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what Python finds where it is not installed
    kept = [check for check in doctor_checks._CHECKS if check[0] in ("ONNX Runtime", "video")]
    monkeypatch.setattr(doctor_checks, "_CHECKS", kept)
    found = {finding.part: finding for finding in examine()}
    assert found["ONNX Runtime"].status == "fail" and "pip install" in found["ONNX Runtime"].mend
    assert found["video"].status == "ok"


def test_missing_extras_are_warnings_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_checks, "_CHECKS", [])
    required = [
        'django<6,>=5.2; extra == "web"',
        'uvicorn[standard]>=0.30; extra == "web"',
        'rich>=13; extra == "scale"',
    ]
    monkeypatch.setattr(doctor_checks.metadata, "requires", lambda name: required)
    monkeypatch.setattr(doctor_checks, "_installed", lambda name: name == "rich")
    found = {finding.part: finding for finding in examine()}
    assert found["extra: web"].status == "warn"
    assert found["extra: web"].found == "for the site; not installed: django, uvicorn"
    assert found["extra: web"].mend == "pip install 'kinema[web]'"
    assert found["extra: scale"].status == "ok"
