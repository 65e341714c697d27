"""Files of runs and of their clips: what is served, and all that is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_downloads_are_those_of_a_list(
    runs: Any, key: str, runs_folder: Path, text_of: Callable[[Any], str]
) -> None:
    answer = runs.get(f"/runs/{key}/files/params.json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="moves-params.json"'
    assert text_of(answer) == (runs_folder / "moves" / "params.json").read_text()
    assert runs.get(f"/runs/{key}/files/recognizer/recognizer.json").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "../moves-long/params.json", "%2e%2e/moves-long/params.json", "recognizer/../params.json", "/etc/passwd",
        "..%2f..%2f..%2fetc/passwd", "tensorboard/hparams.yaml", "recognizer", ".", "params.json/", "PARAMS.JSON",
        "checkpoint/plan.json", "params.json%00.txt",
    ],
)  # fmt: skip
def test_no_other_file_of_a_run_is_served(runs: Any, key: str, name: str) -> None:
    assert runs.get(f"/runs/{key}/files/{name}").status_code == 404


def test_a_link_out_of_a_run_is_not_followed(runs: Any, runs_folder: Path, tmp_path: Path) -> None:
    from kinema.web.recognizers import key_of

    copy = runs_folder / "linked"
    shutil.copytree(runs_folder / "moves", copy)
    try:
        secret = tmp_path / "secret.html"
        secret.write_text("secret")
        (copy / "report.html").unlink()
        (copy / "report.html").symlink_to(secret)
        name = key_of(copy)
        assert runs.get(f"/runs/{name}/").status_code == 200
        assert runs.get(f"/runs/{name}/report/").status_code == 404
        assert runs.get(f"/runs/{name}/files/report.html").status_code == 404
    finally:
        shutil.rmtree(copy)


def test_a_clip_that_the_run_never_read_is_not_served(runs: Any, runs_folder: Path, tmp_path: Path) -> None:
    """A row that somebody added to data.csv names a file that no decoder has seen."""
    from kinema.web.recognizers import key_of

    copy = runs_folder / "added"
    shutil.copytree(runs_folder / "moves", copy)
    try:
        secret = tmp_path / "secret.mp4"
        secret.write_text("secret")
        table = (copy / "data.csv").read_text().splitlines()
        cells = table[1].split(",")
        (copy / "data.csv").write_text("\n".join([*table, ",".join([str(secret), *cells[1:]])]) + "\n")
        name = key_of(copy)
        assert runs.get(f"/runs/{name}/clips/0/video/").status_code == 200
        for kind in ("", "video/", "excerpt/", "strip/"):
            assert runs.get(f"/runs/{name}/clips/16/{kind}").status_code == 404
    finally:
        shutil.rmtree(copy)


@pytest.mark.parametrize(
    "address",
    [
        "/runs/no-such-12345678/", "/runs/..%2fmoves/", "/runs/moves/", "/runs/no-such-12345678/report/",
        "/runs/no-such-12345678/clips/0/video/", "/runs/no-such-12345678/files/params.json",
    ],
)  # fmt: skip
def test_a_run_is_named_by_its_key_alone(runs: Any, address: str) -> None:
    assert runs.get(address).status_code == 404


def test_clips_that_are_not_there_are_not_found(runs: Any, key: str) -> None:
    assert runs.get(f"/runs/{key}/clips/999/").status_code == 404
    assert runs.get(f"/runs/{key}/clips/-1/").status_code == 404
    assert runs.get(f"/runs/{key}/clips/", {"true": "../move"}).status_code == 404


def test_a_player_seeks_and_a_copy_plays_everywhere(runs: Any, key: str) -> None:
    part = runs.get(f"/runs/{key}/clips/0/video/", headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.headers["Content-Type"], part.headers["Content-Length"]) == (
        206,
        "video/mp4",
        "100",
    )
    assert runs.get(f"/runs/{key}/clips/0/excerpt/").headers["Content-Type"] == "video/mp4"
    assert runs.get(f"/runs/{key}/clips/0/strip/").headers["Content-Type"] == "image/jpeg"


def test_a_clip_whose_video_was_moved_is_said(
    runs: Any, runs_folder: Path, tmp_path: Path, text_of: Callable[[Any], str]
) -> None:
    from kinema.web.recognizers import key_of

    copy = runs_folder / "moved"
    shutil.copytree(runs_folder / "moves", copy)
    try:
        table = (copy / "data.csv").read_text().replace("two actions", "elsewhere")
        (copy / "data.csv").write_text(table)
        name = key_of(copy)
        page = runs.get(f"/runs/{name}/clips/0/")
        assert page.status_code == 200
        assert "Its video is not there any more" in text_of(page)
        assert "<video" not in text_of(page)
        for kind in ("video/", "excerpt/", "strip/"):
            assert runs.get(f"/runs/{name}/clips/0/{kind}").status_code == 404
    finally:
        shutil.rmtree(copy)
