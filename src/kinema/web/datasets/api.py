"""/api/datasets/: the manifests that a training can be started with."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Schema

from kinema.errors import DataError
from kinema.web.datasets import catalogue

router = Router()


class ManifestOut(Schema):
    """A manifest: `key` names it in other calls."""

    key: str
    title: str


class ManifestDetails(ManifestOut):
    """What a manifest holds; `clips` counts by class and split, "" standing for neither."""

    rows: int
    classes: list[str]
    splits: list[str]
    groups: int
    clips: dict[str, dict[str, int]]
    warnings: list[str]


@router.get("", response=list[ManifestOut], summary="The manifests that there are")
def manifests(request: HttpRequest) -> list[ManifestOut]:
    """List key and title of each."""
    return [ManifestOut(key=one.key, title=one.title) for one in catalogue.manifests()]


@router.get("/{key}", response=ManifestDetails, summary="What a manifest holds")
def manifest(request: HttpRequest, key: str) -> ManifestDetails:
    """Count its clips."""
    one = catalogue.entry(key)
    found = catalogue.load(one).manifest
    labels, splits = (found.table[name].fillna("").tolist() for name in ("label", "split"))
    clips: dict[str, dict[str, int]] = {}
    for label, split in zip(labels, splits, strict=True):
        of_label = clips.setdefault(label, {})
        of_label[split] = of_label.get(split, 0) + 1
    if not clips:
        raise DataError(f"{one.title}: there are no clips")
    return ManifestDetails(
        key=one.key, title=one.title, rows=len(found), classes=found.classes, splits=found.splits,
        groups=len(found.groups), clips=clips, warnings=found.warnings(),
    )  # fmt: skip
