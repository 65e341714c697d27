"""ELAN files: tiers, times that annotations take from others, the video's place and offset, and hostile XML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import Manifest, read_data
from kinema.errors import DataError, UsageError

# As ELAN 6 writes it (EAF 3.0): a tier of actions, one of hands that is divided without times, one that depends.
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T10:00:00+01:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
  <HEADER MEDIA_FILE="" TIME_UNITS="{unit}">
    <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/work/sound.wav" MIME_TYPE="audio/x-wav" RELATIVE_MEDIA_URL="./sound.wav"/>
    <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/work/{video}" MIME_TYPE="video/mp4"
        RELATIVE_MEDIA_URL="./{video}" {origin}/>
    <PROPERTY NAME="lastUsedAnnotationId">9</PROPERTY>
  </HEADER>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>
    <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1200"/>
    <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1500"/>
    <TIME_SLOT TIME_SLOT_ID="ts4"/>
    <TIME_SLOT TIME_SLOT_ID="ts5" TIME_VALUE="2700"/>
  </TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="action">
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE>walk</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts5">
      <ANNOTATION_VALUE> sit
        down </ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
      <ANNOTATION_VALUE>lost</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a4" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="parts" PARENT_REF="action" TIER_ID="part">
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a6" ANNOTATION_REF="a2" PREVIOUS_ANNOTATION="a5">
      <ANNOTATION_VALUE>rest</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a2">
      <ANNOTATION_VALUE>bend</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="notes" PARENT_REF="part" TIER_ID="note">
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a7" ANNOTATION_REF="a6">
      <ANNOTATION_VALUE>slow</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="empty"/>
  <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


@pytest.fixture
def eaf(tmp_path: Path, make_video: Callable[..., Path]) -> Callable[..., Path]:
    """Writes `talk.eaf` beside a synthetic video of 3.0 s."""
    make_video("talk 1.mp4", frames=30)

    def write(video: str = "talk 1.mp4", unit: str = "milliseconds", origin: str = "") -> Path:
        text = EAF.replace("{video}", video).replace("{unit}", unit).replace("{origin}", origin)
        (tmp_path / "talk.eaf").write_text(text, encoding="utf-8")
        return tmp_path / "talk.eaf"

    return write


def _rows(manifest: Manifest) -> list[list[object]]:
    return manifest.table[["video", "start", "end", "label"]].values.tolist()


def test_one_tier(eaf: Callable[..., Path]) -> None:
    manifest = read_data(eaf(), tier="action")
    assert manifest.source_format == "ELAN"
    assert _rows(manifest) == [["talk 1.mp4", 0.0, 1.2, "walk"], ["talk 1.mp4", 1.5, 2.7, "sit down"]]
    assert manifest.notes[1] == (
        "left out: 2 ranges that cannot be used: talk.eaf annotation a3 of 'action': it has no time of its own; "
        "align it in ELAN, talk.eaf annotation a4 of 'action': the label is empty"
    )


def test_all_tiers_and_the_times_that_they_take_from_others(eaf: Callable[..., Path]) -> None:
    manifest = read_data(eaf())
    assert manifest.table[["start", "end", "label", "tier"]].values.tolist() == [
        [0.0, 1.2, "walk", "action"], [1.5, 2.7, "sit down", "action"],
        [2.1, 2.7, "rest", "part"], [1.5, 2.1, "bend", "part"],  # two halves, in the order ELAN draws them
        [2.1, 2.7, "slow", "note"],
    ]  # fmt: skip
    assert "the labels of 3 tiers stand together (action, part, note); choose one with tier" in manifest.notes


def test_time_origin_is_added(eaf: Callable[..., Path]) -> None:
    manifest = read_data(eaf(origin='TIME_ORIGIN="1000"'), tier="action")
    assert _rows(manifest) == [["talk 1.mp4", 1.0, 2.2, "walk"], ["talk 1.mp4", 2.5, 3.0, "sit down"]]
    assert "1 range ended past the end of the video, cut there" in manifest.notes


def test_the_video_by_the_name_of_the_file(eaf: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "talk 1.mp4").rename(tmp_path / "talk.mp4")
    assert read_data(eaf(video="elsewhere.mp4"), tier="action").table["video"].unique().tolist() == [
        "talk.mp4"
    ]


def test_a_folder_of_files(eaf: Callable[..., Path], tmp_path: Path) -> None:
    text = eaf().read_text()
    (tmp_path / "second.eaf").write_text(text.replace("walk", "run"))
    manifest = read_data(tmp_path, tier="action")
    assert [row[3] for row in _rows(manifest)] == ["run", "sit down", "walk"]
    assert (
        "talk.eaf annotation a2 of 'action': the same video, times and label stand at second.eaf"
        in manifest.notes[2]
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("milliseconds", "NTSC-frames"), DataError, "its times are in NTSC-frames, not in milliseconds"),
        (("</TIME_ORDER>", ""), DataError, r"talk\.eaf: not XML that can be read \(mismatched tag"),
        (("ANNOTATION_DOCUMENT", "TRANSCRIPT"), DataError, "its root is <TRANSCRIPT>, not <ANNOTATION_DOCUMENT>"),
        (("TIME_VALUE", "X"), DataError, "no usable time range: .* it has no time of its own"),
        (("TIER_ID=\"action\"", "TIER_ID=\"acts\""), UsageError, "no tier 'action'; did you mean 'acts'"),
    ],
)  # fmt: skip
def test_bad_files(
    eaf: Callable[..., Path], change: tuple[str, str], error: type[Exception], message: str
) -> None:
    path = eaf()
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(error, match=message):
        read_data(path, tier="action")


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused(eaf: Callable[..., Path], declaration: str, encoding: str) -> None:
    path = eaf()
    text = path.read_text().replace('encoding="UTF-8"?>', f'encoding="{encoding}"?>{declaration}', 1)
    path.write_text(text, encoding=encoding)
    with pytest.raises(
        DataError, match=r"talk\.eaf: line 1 declares a document type, .*remove the <!DOCTYPE"
    ):
        read_data(path)
