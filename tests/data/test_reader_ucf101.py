"""UCF101: the official lists, and what happens to them on the way through other systems."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import Manifest, read_data
from kinema.errors import DataError, UsageError

Touch = Callable[..., Path]


def _lists(root: Path, classes: str | None, train: str, test: str, fold: int = 1) -> None:
    folder = root / "ucfTrainTestlist"
    folder.mkdir(exist_ok=True)
    if classes is not None:
        (folder / "classInd.txt").write_bytes(classes.encode())
    (folder / f"trainlist{fold:02d}.txt").write_bytes(train.encode())
    (folder / f"testlist{fold:02d}.txt").write_bytes(test.encode())


def _cells(manifest: Manifest) -> list[list[str]]:
    return manifest.table[["video", "label", "split", "group"]].values.tolist()


def test_lists(tmp_path: Path, touch: Touch) -> None:
    touch(
        "videos/Punch/v_Punch_g08_c01.avi",
        "videos/Punch/v_Punch_g01_c01.avi",
        "videos/Punch/v_Punch_g77_c01.avi",
    )
    _lists(
        tmp_path,
        "1 Archery\r\n2 Punch\r\n",
        "Punch/v_Punch_g08_c01.avi 2\r\nArchery/v_Archery_g08_c01.avi 1\r\n",
        "Punch/v_Punch_g01_c01.avi\r\nPunch/v_Punch_g01_c02.avi\r\n",
    )
    manifest = read_data(tmp_path)
    assert manifest.source_format == "UCF101"
    assert _cells(manifest) == [
        ["videos/Punch/v_Punch_g08_c01.avi", "Punch", "train", "Punch_g08"],
        ["videos/Punch/v_Punch_g01_c01.avi", "Punch", "test", "Punch_g01"],
    ]
    assert manifest.notes[:3] == [
        "UCF101, fold 1: 2 videos of the 4 listed ones are there",
        "absent: 2 listed videos; all of 1 class (Archery); some of Punch (1): "
        "Punch/v_Punch_g01_c02.avi, Archery/v_Archery_g08_c01.avi",
        "skipped: 1 video that no list names: videos/Punch/v_Punch_g77_c01.avi",
    ]
    with pytest.raises(DataError, match=r"trainlist02\.txt: this official list is missing"):
        read_data(tmp_path, fold=2)
    with pytest.raises(UsageError, match="folds 1, 2 and 3, not 4"):
        read_data(tmp_path, fold=4)


def test_byte_order_marks_trailing_spaces_windows_separators_and_blank_lines(
    tmp_path: Path, touch: Touch
) -> None:
    touch("Punch/v_Punch_g08_c01.avi", "Clean and Jerk/v_CJ_g01_c01.avi")
    _lists(
        tmp_path,
        "\ufeff1 Clean and Jerk \r\n\r\n2 Punch\t\r\n",
        "\ufeffPunch\\v_Punch_g08_c01.avi 2  \r\n\r\n",
        "\ufeffClean and Jerk\\v_CJ_g01_c01.avi\t1\r",
    )
    assert _cells(read_data(tmp_path)) == [
        ["Punch/v_Punch_g08_c01.avi", "Punch", "train", "Punch_g08"],
        ["Clean and Jerk/v_CJ_g01_c01.avi", "Clean and Jerk", "test", "CJ_g01"],
    ]


def test_class_names_with_slashes_commas_and_letters_of_any_language(tmp_path: Path, touch: Touch) -> None:
    # "ö" in the list is one character; macOS writes it into file names as o and a mark above.
    touch("Sit_Stand/v_a_g01_c01.avi", "Turnko\u0308r, Pippi/v_b_g01_c01.avi", "跳/v_c_g01_c01.avi")
    _lists(
        tmp_path,
        "1 Sit/Stand\n2 Turnk\u00f6r, Pippi\n3 跳\n",
        'Sit/Stand/v_a_g01_c01.avi 1\n"Turnk\u00f6r, Pippi/v_b_g01_c01.avi" 2\n',
        "跳/v_c_g01_c01.avi 3\n",
    )
    table = read_data(tmp_path).table
    assert list(zip(table["label"], table["video"], strict=True)) == [
        ("Sit/Stand", "Sit_Stand/v_a_g01_c01.avi"),
        ("Turnk\u00f6r, Pippi", "Turnko\u0308r, Pippi/v_b_g01_c01.avi"),
        ("跳", "跳/v_c_g01_c01.avi"),
    ]


def test_two_videos_of_one_name_in_two_classes(tmp_path: Path, touch: Touch) -> None:
    touch("videos/Bow/clip1.avi", "videos/Box/clip1.avi")
    _lists(tmp_path, "1 Bow\n2 Box\n", "Box/clip1.avi 2\n", "Bow/clip1.avi 1\n")
    table = read_data(tmp_path).table
    assert table[["video", "label", "split"]].values.tolist() == [
        ["videos/Box/clip1.avi", "Box", "train"],
        ["videos/Bow/clip1.avi", "Bow", "test"],
    ]


def test_without_class_folders_only_names_of_one_class_are_taken(tmp_path: Path, touch: Touch) -> None:
    touch("flat/v_Bow_g01_c01.mp4", "flat/clip1.avi")
    _lists(
        tmp_path,
        "1 Bow\n2 Box\n",
        "Bow/v_Bow_g01_c01.avi 1\nBow/clip1.avi 1\n",
        "Box/clip1.avi 2\n",
    )
    manifest = read_data(tmp_path)
    assert _cells(manifest) == [["flat/v_Bow_g01_c01.mp4", "Bow", "train", "Bow_g01"]]
    assert manifest.notes[1].startswith("absent: 2 listed videos")


def test_a_video_is_not_taken_from_the_folder_of_another_class(tmp_path: Path, touch: Touch) -> None:
    touch("Bow/x.avi", "Box/y.avi")
    _lists(tmp_path, None, "Bow/x.avi\nBow/y.avi\n", "Box/z.avi\n")
    assert _cells(read_data(tmp_path)) == [["Bow/x.avi", "Bow", "train", "Bow/x"]]


def test_lists_and_videos_apart(tmp_path: Path, touch: Touch) -> None:
    touch("films/Bow/x.avi")
    _lists(tmp_path, None, "Bow/x.avi\n", "Bow/y.avi\n")
    manifest = read_data(tmp_path / "ucfTrainTestlist", videos=tmp_path / "films")
    assert manifest.segments()[0].video == tmp_path / "films/Bow/x.avi"
    assert len(read_data(str(tmp_path), videos=str(tmp_path / "films"))) == 1
    with pytest.raises(DataError, match=r"nowhere: no such folder of videos; check --videos"):
        read_data(tmp_path, videos=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("classes", "train", "message"),
    [
        ("1 Bow\n", "Bow/x.avi 1\nBox/y.avi 2\n", r"trainlist01\.txt: line 2: the class 'Box' is not in classInd"),
        ("1 Bow\n2 Box\n", "Box/y.avi 1\n", r"line 1: 'Box' has number 1 here and 2 in classInd"),
        ("1 Bow\n", "Bow/x.avi one\n", r"trainlist01\.txt: line 1 is not 'CLASS/VIDEO\.avi NUMBER': 'Bow/x"),
        ("1 Bow\n", "Bow/x.avi 1\nx.avi 1\n", r"line 2 is not 'CLASS/VIDEO\.avi NUMBER'"),
        ("Bow\n", "Bow/x.avi 1\n", r"classInd\.txt: line 1 is not 'NUMBER CLASS': 'Bow'"),
        ("1 Bow\n1 Box\n", "Bow/x.avi 1\n", r"classInd\.txt: line 2: the class or its number stands in an earlier"),
        ("1 Bow\n", "Bow/x.avi 1\nBow/t.avi 1\n", r"testlist01\.txt: line 1: 'Bow/t\.avi' is 'Bow' of train in "
         r"trainlist01\.txt line 2; remove one of the two"),
        ("1 Bow\n", "Bow/gone.avi\n", r"none of the 2 listed videos is among the 1 video in this folder; unpack them"),
    ],
)  # fmt: skip
def test_bad_lists(tmp_path: Path, touch: Touch, classes: str, train: str, message: str) -> None:
    touch("Bow/x.avi")
    _lists(tmp_path, classes, train, "Bow/t.avi\n")
    with pytest.raises(DataError, match=message):
        read_data(tmp_path)


def test_a_list_that_is_not_utf8(tmp_path: Path, touch: Touch) -> None:
    touch("Bow/x.avi")
    _lists(tmp_path, None, "Bow/x.avi\n", "Bow/x.avi\n")
    (tmp_path / "ucfTrainTestlist" / "trainlist01.txt").write_bytes(b"Bow/x.avi\nTurnk\xf6r/y.avi\n")
    with pytest.raises(
        DataError, match=r"trainlist01\.txt: line 2 is not UTF-8 text; save the list as UTF-8"
    ):
        read_data(tmp_path)


def test_the_official_lists(test_data: Path) -> None:
    manifest = read_data(test_data / "ucf101", fold=1)
    assert manifest.notes[0] == "UCF101, fold 1: 38 videos of the 13,320 listed ones are there"
    assert manifest.notes[1].startswith("absent: 13,282 listed videos; all of 96 classes (ApplyEyeMakeup, ")
    assert manifest.table["split"].value_counts().to_dict() == {"test": 22, "train": 16}
    # Groups 1 to 7 are the test set of the first fold, 8 to 14 of the second, 15 to 21 of the third.
    for fold, groups in ((1, range(1, 8)), (2, range(8, 15)), (3, range(15, 22))):
        table = read_data(test_data / "ucf101", fold=fold).table
        numbers = table["group"].str[-2:].astype(int)
        assert ((table["split"] == "test") == numbers.isin(groups)).all()
