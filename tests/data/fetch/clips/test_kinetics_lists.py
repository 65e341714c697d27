"""The lists of Kinetics: as people save them, and which clips are chosen of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kinema.data.fetch.kinetics_lists import bad_rows, choose, read_lists
from kinema.errors import DataError, UsageError

pytest.importorskip("yt_dlp", reason="needs the download extra")
HEADER = "label,youtube_id,time_start,time_end,split\n"


def _list(folder: Path, *rows: str, name: str = "list.csv", header: str = HEADER) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def test_chosen_classes_of_the_published_sample(test_data: Path) -> None:
    lists = read_lists(test_data / "annotations" / "kinetics400_validate_sample.csv")
    assert len(lists.clips) == 200
    chosen = choose(lists, classes=["Slapping", "shaving_head"], per_class=2)
    assert sorted(chosen["label"]) == ["shaving head", "shaving head", "slapping"]
    assert set(chosen["split"]) == {"valid"}
    slapping = chosen[chosen["label"] == "slapping"].iloc[0]
    assert slapping["path"] == "slapping/--7goKgS4kc_000015_000025.mp4"
    assert (slapping["youtube_id"], slapping["start"], slapping["end"]) == ("--7goKgS4kc", 15.0, 25.0)


def test_an_unknown_class_names_the_nearest(test_data: Path) -> None:
    lists = read_lists(test_data / "annotations" / "kinetics400_validate_sample.csv")
    with pytest.raises(UsageError, match="unknown class 'beley dancing'; did you mean 'belly dancing'"):
        choose(lists, classes=["slapping", "beley dancing"])


def test_more_per_class_keeps_those_of_fewer_and_a_seed_draws_others(tmp_path: Path) -> None:
    rows = [f"{label},video{n:06d},{n},{n + 10},train" for label in ("juggling", "yoga") for n in range(50)]
    lists = read_lists(_list(tmp_path, *rows))
    few, more = (choose(lists, per_class=n, seed=3) for n in (5, 8))
    assert len(few) == 10
    assert set(few["path"]) < set(more["path"])
    assert few["label"].value_counts().to_dict() == {"juggling": 5, "yoga": 5}
    assert set(few["path"]) != set(choose(lists, per_class=5, seed=4)["path"])
    assert list(few["path"]) == list(choose(lists, per_class=5, seed=3)["path"])
    assert list(choose(lists, classes=["yoga"], per_class=5, seed=3)["path"]) == [
        path for path in few["path"] if path.startswith("yoga/")
    ]
    # A class at a time would leave an interrupted run with the first classes only.
    assert list(few["label"])[:4] == ["juggling", "yoga", "juggling", "yoga"]


def test_the_split_is_a_column_or_the_name_of_the_list(tmp_path: Path) -> None:
    _list(tmp_path, "yoga,aaaaaaaaaaa,0,10,train", name="k/train.csv")
    _list(tmp_path, "yoga,bbbbbbbbbbb,0,10", name="k/validate.csv", header=HEADER.replace(",split", ""))
    _list(tmp_path, "ccccccccccc,0,10", name="k/test.csv", header="youtube_id,time_start,time_end\n")
    (tmp_path / "k" / "._train.csv").write_bytes(b"\0\1")
    (tmp_path / "k" / "classes.csv").write_text("id,name\n0,yoga\n", encoding="utf-8")
    lists = read_lists(tmp_path / "k")
    assert list(lists.clips["split"]) == ["train", "valid", "test"]
    assert list(choose(lists, split="val")["youtube_id"]) == ["bbbbbbbbbbb"]
    assert lists.clips["path"][2] == "unlabelled/ccccccccccc_000000_000010.mp4"
    with pytest.raises(UsageError, match="unknown split 'trian'; did you mean 'train'"):
        choose(lists, split="trian")
    with pytest.raises(UsageError, match="none of these classes has a clip in the split 'test'"):
        choose(lists, classes=["yoga"], split="test")


def test_lists_as_people_save_them(tmp_path: Path) -> None:
    path = tmp_path / "windows.csv"
    text = '\ufefflabel, youtube_id ,time_start,time_end,split\r\n"passing, in game", aaaaaaaaaaa ,1,11,validate\r\n\r\n'
    path.write_bytes((text + "a/b,bbbbbbbbbbb,2.5,12.5, train \r\na_b,ccccccccccc,1,11,train\r\n").encode())
    lists = read_lists(path)
    assert lists.classes == ["a/b", "a_b", "passing, in game"]
    paths = list(lists.clips["path"])
    assert paths[:2] == [
        "passing, in game/aaaaaaaaaaa_000001_000011.mp4",
        "a_b/bbbbbbbbbbb_000002.500_000012.500.mp4",
    ]
    assert paths[2].startswith("a_b_")


def test_rows_that_are_no_clips_are_listed_with_their_lines(tmp_path: Path) -> None:
    path = _list(
        tmp_path,
        "yoga,aaaaaaaaaaa,0,10,train",
        "yoga,../../etc/pw,0,10,train",
        "yoga,bbbbbbbbbbb,20,10,train",
        "yoga,ccccccccccc,-3,10,train",
        "yoga,ddddddddddd,nan,10,train",
        "yoga,eeeeeeeeeee,0,10,holdin",
        "yoga,aaaaaaaaaaa,0,10,train",
        "..,fffffffffff,0,10,train",
    )
    lists = read_lists(path)
    assert list(lists.clips["path"]) == [
        "yoga/aaaaaaaaaaa_000000_000010.mp4",
        "_/fffffffffff_000000_000010.mp4",
    ]
    bad = bad_rows(lists)
    assert dict(zip(bad["place"], bad["why"], strict=True)) == {
        "list.csv line 3": "'../../etc/pw' is not the id of a video",
        "list.csv line 4": "the end 10 is not after the start 20",
        "list.csv line 5": "negative start -3",
        "list.csv line 6": "'nan' and '10' are not both times in seconds",
        "list.csv line 7": "unknown split 'holdin'; use train, validate or test",
    }


def test_what_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"other.csv: the column 'time_end' is missing"):
        read_lists(_list(tmp_path, "x,0", name="other.csv", header="youtube_id,time_start\n"))
    with pytest.raises(DataError, match=r"list.csv: the list has no rows below the column names"):
        read_lists(_list(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no list of Kinetics here"):
        read_lists(tmp_path / "empty")


@pytest.mark.slow
def test_650_000_rows_in_time(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    with path.open("w", encoding="utf-8") as out:
        out.write(HEADER)
        out.writelines(f"class {n % 700},{n:011d},{n % 300},{n % 300 + 10},train\n" for n in range(650_000))
    began = time.process_time()
    lists = read_lists(path)
    chosen = choose(lists, classes=["class 7"], per_class=3)
    assert time.process_time() - began < 20  # 10 s on a quiet machine
    assert (len(lists.clips), len(chosen)) == (650_000, 3)
