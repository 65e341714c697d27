"""Data in the site: the clips of a manifest, their pictures and players."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_ten_thousand_rows_stay_fast(client: Any, many: Any) -> None:
    client.get(f"/datasets/{many.key}/clips/")  # read once
    began = time.process_time()
    page = client.get(f"/datasets/{many.key}/clips/?q=WAVE+person02&split=test&page=3").content.decode()
    overview = client.get(f"/datasets/{many.key}/").content.decode()
    assert time.process_time() - began < 2.0
    # Rows 4, 10, 16 … of 10,000 are wave of person02: all even ones are train, so none is test.
    assert "No clip fits" in page
    page = client.get(f"/datasets/{many.key}/clips/?q=WAVE+person02&split=train&page=2").content.decode()
    assert "1,666 of 10,000 clips" in page
    assert "Page 2 of 34" in page
    assert page.count('class="clip-link"') == 50
    assert "5,000" in overview


def test_filters_take_what_stands_in_the_table_only(client: Any, many: Any) -> None:
    for query in (
        "label=%00",
        "q=" + "x" * 5000,
        "split=nothing",
        "group=%3Cscript%3E",
        "state=bad",
        "page=zzz",
    ):
        page = client.get(f"/datasets/{many.key}/clips/?{query}")
        assert page.status_code == 200
        assert "<script>" not in page.content.decode().replace('<script type="module"', "").replace(
            "<script src", ""
        )


def test_pictures_are_known_by_what_they_show(client: Any, imported: Any, root: Path, quiet: Any) -> None:
    from kinema.web.datasets import catalogue, pictures, tasks

    tasks.pictures_data({"key": imported.key, "rows": [0, 12]}, quiet)
    loaded = catalogue.load(imported)
    first = pictures.picture(loaded, 0)
    assert first is not None and first.strip is not None
    assert first.strip.read_bytes()[:2] == b"\xff\xd8"
    assert first.facts["seconds"] == pytest.approx(2.0, abs=0.01)
    assert (first.facts["width"], first.facts["height"], first.facts["plays"]) == (64, 48, True)
    assert first.preview is None
    answer = client.get(f"/datasets/{imported.key}/clips/0/strip.jpg")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    # A copy under another name has the picture already; another clip has not.
    shutil.copy(root / "actions" / "jump" / "person01_jump_1.mp4", root / "copy.mp4")
    (root / "manifest.csv").write_text(
        "video,start,end,label\ncopy.mp4,,,a\ncopy.mp4,0.5,1.5,a\nactions/jump/person01_jump_2.mp4,,,a\n"
    )
    other = catalogue.load(catalogue.in_folders()[0])
    assert pictures.missing(other, [0, 1, 2]) == [1, 2]
    broken = pictures.picture(loaded, 12)
    assert broken is not None and broken.strip is None
    assert broken.facts["fault"]


def test_a_clip_that_browsers_do_not_play_gets_a_copy(
    client: Any,
    test_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    quiet: Any,
    content_of: Callable[[Any], bytes],
) -> None:
    from kinema.web.datasets import catalogue, tasks

    monkeypatch.setenv("KINEMA_DATA", str(tmp_path))
    source = next((test_data / "ut-interaction" / "kicking").glob("*.avi"))
    shutil.copy(source, tmp_path / "kick.avi")
    (tmp_path / "manifest.csv").write_text("video,start,end,label\nkick.avi,0.5,1.5,kick\n")
    one = catalogue.in_folders()[0]
    assert "Not yet a copy" in client.get(f"/datasets/{one.key}/clips/0/").content.decode()
    tasks.pictures_data({"key": one.key, "rows": [0]}, quiet)
    assert "copy.mp4" in client.get(f"/datasets/{one.key}/clips/0/").content.decode()
    answer = client.get(f"/datasets/{one.key}/clips/0/copy.mp4")
    assert content_of(answer)[4:8] == b"ftyp"


def test_start_and_end_reach_the_player(client: Any, many: Any) -> None:
    page = client.get(f"/datasets/{many.key}/clips/5000/").content.decode()
    assert f'src="/datasets/{many.key}/clips/5000/video#t=0.500,1.500"' in page


def test_the_api_counts_clips(client: Any, many: Any) -> None:
    assert {"key": many.key, "title": "data"} in client.get("/api/datasets/").json()
    found = client.get(f"/api/datasets/{many.key}").json()
    assert found["rows"] == 10_000
    # i % 6 < 3 is jump; of 0, 1, 2 two are even: 1667 + 1667 (i = 9998 is jump too, even).
    assert found["clips"] == {
        "jump": {"train": 3334, "test": 1667}, "wave": {"train": 1666, "test": 3333}
    }  # fmt: skip


def test_a_folder_of_pictures_is_played_as_a_copy(
    client: Any,
    test_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    child: Callable[[Any, str], Any],
    quiet: Any,
) -> None:
    from kinema.web.datasets import catalogue, roots, tasks

    monkeypatch.setenv("KINEMA_DATA", str(test_data))
    keys = child(roots.root_places()[0], "seals").keys
    tasks.import_data({"keys": keys, "title": "Seals", "token": "5555555555", "by": "local"}, quiet)
    one = catalogue.made_here()[0]
    assert client.get(f"/datasets/{one.key}/clips/0/video").status_code == 404
    tasks.pictures_data({"key": one.key, "rows": [0]}, quiet)
    page = client.get(f"/datasets/{one.key}/clips/0/").content.decode()
    assert f"/datasets/{one.key}/clips/0/copy.mp4" in page
    assert "22 frames" in page  # labels.csv: s26-8164 is noseal up to its 22nd picture
