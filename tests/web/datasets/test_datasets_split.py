"""Data in the site: splits that do not leak."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_split_by_group_writes_a_new_manifest(
    client: Any, imported: Any, split_it: Callable[..., str]
) -> None:
    from kinema.data import Manifest
    from kinema.web.datasets import catalogue

    before = imported.path.read_bytes()
    page = split_it(imported, "bbbbbbbbbb", fractions={"train": 0.6, "valid": 0.0, "test": 0.4}, seed=3)
    assert "split by group, seed 3" in page
    made = Manifest.read(catalogue.made_here()[0].path)
    assert made.splits == ["train", "test"]
    assert made.divided("group") == []
    assert imported.path.read_bytes() == before
    assert f"/runs/start/?data={catalogue.made_here()[0].key}" in page


def test_the_same_footage_in_two_splits_is_refused_and_mended(
    client: Any,
    root: Path,
    film: Callable[..., Path],
    quiet: Any,
    split_it: Callable[..., str],
    text_of: Callable[[Any], str],
) -> None:
    from kinema.web.datasets import catalogue, tasks

    long = film(root / "pairs" / "a" / "person01_a.mp4", 5, frames=40)
    for name in ("b/person02_b.mp4", "a/person03_a.mp4", "b/person04_b.mp4"):
        film(root / "pairs" / name, len(name) * 7 + ord(name[-5]) + int(name[9]), frames=40)
    shutil.copy(long, root / "pairs" / "a" / "person05_a.mp4")
    rows = "".join(
        f"{name},{name.split('/')[1]},{split}\n"
        for name, split in [
            ("pairs/a/person01_a.mp4", "train"), ("pairs/a/person05_a.mp4", "test"),
            ("pairs/a/person03_a.mp4", "train"), ("pairs/b/person02_b.mp4", "train"),
            ("pairs/b/person04_b.mp4", "test"),
        ]
    )  # fmt: skip
    (root / "manifest.csv").write_text("video,label,split\n" + rows)
    one = catalogue.in_folders()[0]
    number = len(catalogue.made_here())
    page = split_it(one, "cccccccccc", fractions={"train": 0.5, "test": 0.5}, check_content=True)
    assert "Nothing was written" in page
    assert len(catalogue.made_here()) == number
    assert text_of(client.get("/datasets/outcome/cccccccccc/alike.html")).startswith("<!doctype html>")
    assert client.post("/datasets/outcome/cccccccccc/again/").status_code == 302
    from kinema.web.jobs.models import Job

    again = Job.objects.get(kind="split-data")
    tasks.split_data(again.arguments, quiet)
    made = catalogue.made_here()[0]
    split = catalogue.load(made).manifest.table.set_index("video")["split"]
    copies = [value for name, value in split.items() if "person01" in name or "person05" in name]
    assert len(set(copies)) == 1


def test_folds_lists_and_another_manifest(client: Any, imported: Any, split_it: Callable[..., str]) -> None:
    from kinema.web.datasets import catalogue

    page = split_it(imported, "dddddddddd", folds=2, valid=0.0)
    assert "fold 2 of 2" in page
    folds = [one for one in catalogue.made_here() if "fold" in one.title]
    assert [one.title for one in sorted(folds, key=lambda one: one.title)] == [
        "Split, fold 1 of 2",
        "Split, fold 2 of 2",
    ]
    tested = [set(catalogue.load(one).manifest.filter(split="test").groups) for one in folds]
    assert tested[0].isdisjoint(tested[1])
    split_it(imported, "eeeeeeeeee", like=folds[0].key)
    made = next(one for one in catalogue.made_here() if "eeeeeeeeee" in one.path.name)
    followed = catalogue.load(folds[0]).manifest.table.set_index("video")["split"].to_dict()
    assert catalogue.load(made).manifest.table.set_index("video")["split"].to_dict() == followed
    names = [f"person01_{name}_{take}" for name in ("jump", "wave") for take in (1, 2)]
    paths = [f"actions/{name.split('_')[1]}/{name}.mp4" for name in names]
    split_it(imported, "ffffffffff", lists={"test": paths})
    made = next(one for one in catalogue.made_here() if "ffffffffff" in one.path.name)
    assert catalogue.load(made).manifest.filter(split="test").groups == ["person01"]


def test_the_split_form_asks_for_what_is_missing(client: Any, imported: Any) -> None:
    base = {"title": "x", "train": 70, "valid": 15, "test": 15, "seed": 0, "way": "group"}
    for change, said in (
        ({"train": 80}, "The shares sum to 110 %"),
        ({"way": "lists"}, "Name at least one video."),
        ({"way": "like"}, "Choose the manifest to follow."),
        ({"way": "folds", "folds": ""}, "Say how many."),
        ({"way": "like", "like": "/etc/passwd"}, "Select a valid choice"),
    ):
        page = client.post(f"/datasets/{imported.key}/split/", {**base, **change})
        assert page.status_code == 400
        assert said in page.content.decode()
