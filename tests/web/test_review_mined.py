"""Clips of `kinema mine clips` on the site's wall: found, brought in once, shown side by side, never from elsewhere."""

from __future__ import annotations

import csv
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.video import VideoWriter

_COLUMNS = ["video", "label", "group", "score", "source_video", "source_start", "source_end", "known"]


def synthetic(path: Path, seed: int) -> None:
    """A synthetic square that wanders; the same seed shows the same."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 150, (6, 8, 3), dtype=np.uint8).repeat(20, axis=0).repeat(20, axis=1)
    where = np.cumsum(rng.integers(-6, 7, (30, 2)), axis=0) % 80
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 10) as out:
        for top, left in where:
            picture = ground.copy()
            picture[top : top + 40, left : left + 40] = (240, 220, 60)
            out.write(picture)


@pytest.fixture
def mined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data with mined clips in it: four clips, two of them of the same footage, one of known answer."""
    folder = tmp_path / "films" / "mined"
    rows = [
        ("clips/a__wave__3.00-6.00.mp4", "wave", "a.mp4", 0.9, "a.mp4", 3, 6, ""),
        ("clips/b__kick__1.00-4.00.mp4", "kick", "b.mp4", 0.8, "b.mp4", 1, 4, ""),
        ("clips/c__wave__2.00-5.00.mp4", "wave", "c.mp4", 0.7, "c.mp4", 2, 5, ""),
        ("clips/d__wave__2.00-5.00.mp4", "wave", "d.mp4", 0.6, "d.mp4", 2, 5, "none"),
    ]
    for (name, *_), seed in zip(rows, (1, 2, 1, 3), strict=True):
        synthetic(folder / name, seed)
    write(folder, rows)
    (folder / "mining.json").write_text(json.dumps({"recognizer": {"name": "runs/demo"}}))
    monkeypatch.setenv("KINEMA_DATA", str(tmp_path / "films"))
    return folder


def write(folder: Path, rows: list[tuple[Any, ...]]) -> None:
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([_COLUMNS, *rows])


def text(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def bring() -> dict[str, int]:
    from kinema.web.review.mined import import_mined, mined_folders

    [folder] = mined_folders()
    return import_mined(folder)


def test_mined_clips_come_in_with_where_they_are_from(client: Any, mined: Path) -> None:
    from kinema.web.folder import site
    from kinema.web.review.models import Clip

    assert "mined 4 mined clips, by demo Import" in text(client.get("/review/import/"))
    assert bring() == {"added": 4, "known": 0, "without_clip": 0}
    first, _, third, pot = Clip.objects.order_by("clip")
    assert (first.kind, first.label, first.score, first.source, first.group) == (
        "mined", "wave", 0.9, "a.mp4", "a.mp4",
    )  # fmt: skip
    assert (first.start, first.end, first.clip_start, first.clip_end) == (3.0, 6.0, 3.0, 6.0)
    assert (first.recognizer, pot.known) == ("demo", "")
    assert first.family and first.family == third.family
    assert Clip.objects.filter(family="").count() == 2
    assert (site().root / first.thumbnail).read_bytes()[:2] == b"\xff\xd8"
    assert client.get(f"/review/{first.pk}/clip/").headers["Content-Type"] == "video/mp4"
    assert "0 of 3 reviewed" in text(client.get("/review/"))  # without the one of known answer
    # The folder may go.
    (mined / "clips" / "a__wave__3.00-6.00.mp4").unlink()
    page = client.get(f"/review/{first.pk}/")
    assert "The same footage wave · c.mp4" in text(page)
    assert f'href="/review/{third.pk}/"' in page.content.decode()
    assert client.get(f"/review/{first.pk}/clip/").status_code == 200


def test_the_same_footage_comes_up_together(client: Any, mined: Path) -> None:
    bring()
    names = [one["source"] for one in client.get("/api/review/next").json()["clips"]]
    assert abs(names.index("a.mp4") - names.index("c.mp4")) == 1


def test_importing_again_adds_nothing_and_keeps_what_people_said(client: Any, mined: Path) -> None:
    from kinema.web.review.models import Clip

    bring()
    clip = Clip.objects.get(source="b.mp4")
    client.post(f"/review/{clip.pk}/decide/", {"verdict": "wrong"})
    assert bring() == {"added": 0, "known": 4, "without_clip": 0}
    assert (Clip.objects.count(), Clip.objects.get(pk=clip.pk).state) == (4, "wrong")


def test_accepted_mined_clips_become_whole_rows_by_source(client: Any, mined: Path) -> None:
    from kinema.data import read_data
    from kinema.web.folder import site
    from kinema.web.review.models import Clip

    bring()
    for clip in Clip.objects.filter(known=None):
        client.post(f"/review/{clip.pk}/decide/", {"verdict": "accept"})
    client.post("/review/manifests/", {"name": "of mined clips"})
    rows = read_data(site().root / "manifests" / "of-mined-clips.csv").segments()
    # a and c show the same, so that they are never divided between training and test.
    assert sorted((row.video.name, row.start, row.group) for row in rows) == [
        ("a__wave__3.00-6.00.mp4", None, "a.mp4"),
        ("b__kick__1.00-4.00.mp4", None, "b.mp4"),
        ("c__wave__2.00-5.00.mp4", None, "a.mp4"),
    ]


def test_a_manifest_that_names_files_of_elsewhere_brings_none_of_them(
    client: Any, mined: Path, tmp_path: Path
) -> None:
    from kinema.web.review.models import Clip

    synthetic(tmp_path / "private.mp4", 5)
    (mined / "clips" / "link.mp4").symlink_to(tmp_path / "private.mp4")
    (mined / "clips" / "broken.mp4").write_bytes(b"no video at all")
    names = [
        "../../private.mp4",
        str(tmp_path / "private.mp4"),
        "clips/link.mp4",
        "clips/gone.mp4",
        "clips.csv",
    ]
    write(mined, [(name, "wave", "x", 0.5, "x", 0, 3, "") for name in [*names, "clips/broken.mp4"]])
    found = bring()
    assert (found["added"], found["without_clip"]) == (1, 5)
    [broken] = Clip.objects.all()  # it can be called wrong
    assert broken.thumbnail == ""
    assert client.get("/review/").status_code == 200


def test_the_job_of_an_import(client: Any, mined: Path) -> None:
    from kinema.web.jobs.models import Job
    from kinema.web.review.tasks import import_mined_folder

    key = re.search(r'name="mined" value="([^"]+)"', client.get("/review/import/").content.decode())[1]  # type: ignore[index]
    assert client.post("/review/import/", {"mined": "/etc"}).status_code == 404
    assert client.post("/review/import/", {"mined": key}).status_code == 302
    job = Job.objects.get()
    assert (job.kind, job.title) == ("review-mined", "Import clips of mined")
    told: list[tuple[float, float]] = []

    def progress(done: float, total: float, message: str = "") -> None:
        told.append((done, total))

    result = import_mined_folder(job.arguments, progress)  # type: ignore[arg-type]
    assert (result["added"], result["url"]) == (4, "/review/")
    assert {total for _, total in told} == {1}
    assert max(done for done, _ in told) <= 1
