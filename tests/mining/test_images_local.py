"""Folders and lists as engines, what is asked for a name, and a collection that goes on."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kinema.cli.app import run
from kinema.errors import DataError, UsageError
from kinema.mining.images import (
    EngineSettings,
    FolderEngine,
    ListEngine,
    MinedImages,
    PictureRules,
    PoliteClient,
    Query,
    mine_images,
    open_engine,
    queries_of,
    read_translations,
)
from kinema.mining.names import read_names

pytest.importorskip("imagehash", reason="needs kinema[mining]")
_spec = importlib.util.spec_from_file_location("mining_server", Path(__file__).parent / "pages/server.py")
assert _spec is not None and _spec.loader is not None
server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(server)
picture = server.picture


@pytest.fixture
def client() -> Iterator[PoliteClient]:
    made = PoliteClient(interval=0.0, first_wait=0.01)
    yield made
    made.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Class folders of synthetic pictures: 6 of waving, 4 of jumping."""
    folder = tmp_path / "photos"
    for label, seeds in (("waving", range(6)), ("Jumping_High", range(10, 14))):
        (folder / label).mkdir(parents=True)
        for seed in seeds:
            (folder / label / f"p{seed}.png").write_bytes(picture(seed, kind="PNG"))
    return folder


@pytest.fixture
def mine(client: PoliteClient) -> Callable[..., MinedImages]:
    def call(source: Path, out: Path, actions: list[str], **options: Any) -> MinedImages:
        return mine_images(
            actions, out, [open_engine(str(source), EngineSettings(client))], client, **options
        )

    return call


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _files(folder: Path) -> dict[str, int]:
    """How many images each folder has."""
    return {sub.name: len(list(sub.glob("*.jpg"))) for sub in sorted(folder.iterdir()) if sub.is_dir()}


def test_class_folders(photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]) -> None:
    mined = mine(photos, tmp_path / "out", ["waving", "jumping-high"], per_action=5)

    assert mined.counts == {"waving": 5, "jumping-high": 4}
    assert mined.short == {"jumping-high": 4}
    assert _files(mined.folder) == {"jumping-high": 4, "waving": 5}
    rows = _rows(mined.table)
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5", "1", "2", "3", "4"]
    assert rows[0]["source"] == str(photos / "waving/p0.png")
    assert (rows[0]["width"], rows[0]["height"], rows[0]["engine"]) == ("320", "240", "folder")
    assert (mined.folder / rows[0]["path"]).read_bytes()[:3] == b"\xff\xd8\xff"


def test_copies_go_within_and_across_classes(
    photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]
) -> None:
    (photos / "waving/p0b.jpg").write_bytes(picture(0, (200, 150), quality=50))  # a copy of the first
    (photos / "waving/p9.png").write_bytes(
        picture(11, kind="PNG")
    )  # the second of the other class; last here
    (photos / "Jumping_High/p99.png").write_bytes(picture(1, kind="PNG"))  # the third of waving; last there

    mined = mine(photos, tmp_path / "out", ["waving", "jumping high"], per_action=20)

    assert mined.counts == {"waving": 6, "jumping high": 4}
    assert mined.left_out == {"duplicate": 3}
    left = {Path(row["source"]).name: row["why"] for row in _rows(mined.left_out_table)}
    assert sorted(left) == ["p0b.jpg", "p9.png", "p99.png"]
    assert left["p0b.jpg"].startswith("looks like waving/")
    assert left["p9.png"].startswith("looks like jumping high/")
    assert _files(mined.folder) == {"jumping high": 4, "waving": 6}


def test_an_image_of_two_names_goes_to_the_one_that_found_it_first(
    photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]
) -> None:
    """It was taken for waving, where it ranks 6th, before jumping found it as its first."""
    (photos / "Jumping_High/p00.png").write_bytes(picture(5, (400, 300), kind="PNG"))

    mine(photos, tmp_path / "out", ["waving"], per_action=6)
    mined = mine(photos, tmp_path / "out", ["waving", "jumping high"], per_action=6)

    assert mined.counts == {"waving": 5, "jumping high": 5}
    assert _files(mined.folder) == {"jumping high": 5, "waving": 5}
    left = _rows(mined.left_out_table)
    assert [(row["label"], row["state"]) for row in left] == [("waving", "duplicate")]
    assert "which ranks higher there" in left[0]["why"]


def test_a_second_run_goes_on(photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]) -> None:
    out = tmp_path / "out"
    (photos / "waving/p2.png").write_bytes(b"no picture")
    first = mine(photos, out, ["waving"], per_action=2)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    again = mine(photos, out, ["waving"], per_action=4)
    done = mine(photos, out, ["waving"], per_action=4)

    assert (first.new, again.new, done.new) == (2, 2, 0)
    assert again.counts == {"waving": 4} and again.left_out == {"broken": 1}
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert len((out / ".kinema-images.jsonl").read_text().splitlines()) == 5


def test_smaller_ones_are_looked_at_again_when_they_are_wanted(
    photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]
) -> None:
    (photos / "waving/p2.png").write_bytes(picture(2, (160, 120), kind="PNG"))
    (photos / "waving/p3.png").write_bytes(picture(3, (80, 60), kind="PNG"))
    first = mine(photos, tmp_path / "out", ["waving"])
    second = mine(photos, tmp_path / "out", ["waving"], rules=PictureRules(min_side=100))

    assert first.counts == {"waving": 4} and first.left_out == {"small": 2}
    assert second.counts == {"waving": 5} and second.left_out == {"small": 1}


def test_what_people_delete_stays_away(
    photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]
) -> None:
    out = tmp_path / "out"
    first = mine(photos, out, ["waving"], per_action=3)
    (out / _rows(first.table)[1]["path"]).unlink()

    again = mine(photos, out, ["waving"], per_action=3)

    assert again.counts == {"waving": 3} and again.new == 1
    assert [Path(row["source"]).name for row in _rows(again.table)] == ["p0.png", "p2.png", "p3.png"]
    assert [row["state"] for row in _rows(again.left_out_table)] == ["removed by hand"]


def test_killed_while_an_image_goes_to_another_class(
    photos: Path, tmp_path: Path, mine: Callable[..., MinedImages], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ends, after the next run the folders hold what the table has."""
    (photos / "Jumping_High/p00.png").write_bytes(picture(5, (400, 300), kind="PNG"))
    mine(photos, tmp_path / "out", ["waving"], per_action=6)
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "waving" and not path.name.startswith("."):
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", killed)
        mine(photos, tmp_path / "out", ["waving", "jumping high"], per_action=6)
    mined = mine(photos, tmp_path / "out", ["waving", "jumping high"], per_action=6)

    assert mined.counts == {"waving": 5, "jumping high": 5}
    assert _files(mined.folder) == {"jumping high": 5, "waving": 5}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such names")
def test_names_of_files_that_are_no_unicode(
    photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]
) -> None:
    (photos / "waving" / os.fsdecode(b"caf\xe9.png")).write_bytes(picture(20, kind="PNG"))
    (photos / "waving" / os.fsdecode(b"p\xe9.png")).write_bytes(b"no picture")

    first = mine(photos, tmp_path / "out", ["waving"])
    again = mine(photos, tmp_path / "out", ["waving"])

    assert first.counts == again.counts == {"waving": 7} and again.new == 0
    assert _rows(again.table)[0]["source"] == f"{photos}/waving/caf\\udce9.png"
    assert [row["source"] for row in _rows(again.left_out_table)] == [f"{photos}/waving/p\\udce9.png"]


def test_half_an_image_of_a_killed_run_goes(
    photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]
) -> None:
    out = tmp_path / "out"
    mine(photos, out, ["waving"], per_action=2)
    (out / "waving/.0123456789abcdef.k2x_9a1b.jpg").write_bytes(picture(9)[:900])
    (out / "waving/.mine.jpg").write_bytes(b"somebody's own")

    mine(photos, out, ["waving"], per_action=2)

    assert [path.name for path in (out / "waving").glob(".*")] == [".mine.jpg"]


def test_hidden_files_are_no_images(photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]) -> None:
    """macOS puts `._NAME` beside each file on foreign disks."""
    (photos / "waving/._p0.png").write_bytes(b"\0\5\x16\7" * 40)

    assert mine(photos, tmp_path / "out", ["waving"]).left_out == {}


def test_a_killed_run_leaves_half_a_line(
    photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]
) -> None:
    out = tmp_path / "out"
    mine(photos, out, ["waving"], per_action=3)
    journal = out / ".kinema-images.jsonl"
    journal.write_text(journal.read_text()[:-40])

    mined = mine(photos, out, ["waving"], per_action=4)

    assert mined.counts == {"waving": 4} and _files(out) == {"waving": 4}
    journal.write_text("{\n" + journal.read_text())
    with pytest.raises(DataError, match=r"\.kinema-images\.jsonl: line 1 is damaged"):
        mine(photos, out, ["waving"], per_action=4)


def test_interrupted_in_the_middle(photos: Path, tmp_path: Path, mine: Callable[..., MinedImages]) -> None:
    def interrupt(kept: int, wanted: int, text: str) -> None:
        if kept == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mine(photos, tmp_path / "out", ["waving"], per_action=6, progress=interrupt)

    assert len(_rows(tmp_path / "out/images.csv")) == 2
    assert _files(tmp_path / "out") == {"waving": 2}
    assert mine(photos, tmp_path / "out", ["waving"], per_action=6).new == 4


def test_a_list_of_addresses(tmp_path: Path, client: PoliteClient, mine: Callable[..., MinedImages]) -> None:
    with server.serving() as site:
        (tmp_path / "near.jpg").write_bytes(picture(3))
        lines = [
            "\ufeffurl;Class;License;creator;landing_url",
            f"{site.url}/pics/1.jpg;waving;CC BY 4.0;Ada;https://example.org/1",
            f"{site.url}/pics/gone.jpg;waving;;;",
            "near.jpg;Waving;;;",
            f"{site.url}/pics/1.jpg;waving;;;",
            ";waving;;;",
        ]
        (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
        mined = mine(tmp_path / "list.csv", tmp_path / "out", ["waving", "jumping"])
        again = mine(tmp_path / "list.csv", tmp_path / "out", ["waving", "jumping"])

        assert mined.counts == {"waving": 2, "jumping": 0}
        assert mined.left_out == {"gone": 1}
        assert "no row for 'jumping'; there is waving" in mined.engines[0]
        assert sorted(site.paths("/pics")) == ["/pics/1.jpg", "/pics/gone.jpg"] and again.new == 0
    row = _rows(mined.table)[0]
    assert (row["licence"], row["author"], row["page"]) == ("CC BY 4.0", "Ada", "https://example.org/1")
    assert [row["rank"] for row in _rows(mined.table)] == ["1", "3"]


def test_a_collection_is_a_source_with_its_licences(
    tmp_path: Path, photos: Path, mine: Callable[..., MinedImages]
) -> None:
    (tmp_path / "list.csv").write_text(f"source,label,licence\n{photos}/waving/p0.png,waving,cc0 1.0\n")
    mine(tmp_path / "list.csv", tmp_path / "first", ["waving"])

    mined = mine(tmp_path / "first", tmp_path / "second", ["waving"])

    assert [row["licence"] for row in _rows(mined.table)] == ["cc0 1.0"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", DataError, "the file is empty"),
        ("url,label\na.jpg,waving,more\n", DataError, "line 2 has 3 cells where the header has 2"),
        ("url,label\ndata:image/png;base64," + "A" * 200_000, DataError, "line 2 cannot be read as CSV"),
        ("a,b\n1,2\n", DataError, "no column 'source'; it has a, b"),
        ("url,b\nx.jpg,2\n", DataError, "no column 'label'"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    (tmp_path / "list.csv").write_text(text)

    with pytest.raises(error, match=message):
        ListEngine(tmp_path / "list.csv")


def test_engines_by_name(client: PoliteClient, tmp_path: Path) -> None:
    settings = EngineSettings(client)

    assert open_engine("openverse", settings).name == "openverse"
    assert open_engine("bing", settings).name == "bing"
    assert isinstance(open_engine(str(tmp_path), settings), FolderEngine)
    with pytest.raises(UsageError, match="unknown engine 'openvers': did you mean 'openverse'"):
        open_engine("openvers", settings)
    with pytest.raises(UsageError, match=r"list\.csv: no such folder or CSV"):
        open_engine("list.csv", settings)
    with pytest.raises(UsageError, match="--licence commercial: google has no such filter, only open"):
        open_engine("google", EngineSettings(client, licence="commercial"))
    told: list[str] = []
    open_engine(str(tmp_path), EngineSettings(client, "open", told.append))
    assert told == [f"--licence open: {tmp_path} is taken as it is, with the licences that it states"]
    with pytest.raises(UsageError, match="--licence opn: did you mean 'open'"):
        open_engine("openverse", EngineSettings(client, licence="opn"))


def test_what_is_asked_for_a_name(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("# actions\nclimbing stairs\n\nwaving\n")
    (tmp_path / "words.csv").write_text(
        "name,language,translation\nClimbing-Stairs,de,Treppen steigen\nclimbing stairs,fr,monter\nx,de,y\n"
    )
    actions = read_names([str(tmp_path / "names.txt"), "push_ups, waving"])
    words = read_translations(tmp_path / "words.csv", actions)

    many = read_names([", ".join(f"an action with the number {number}" for number in range(20))])
    assert many[18:] == ["an action with the number 18", "an action with the number 19"]
    assert actions == ["climbing stairs", "waving", "push_ups"]
    assert words == {"climbing stairs": ["Treppen steigen", "monter"]}
    assert queries_of("climbing stairs", ["NAME", "{} person"], words) == [
        Query("climbing stairs", "climbing stairs"),
        Query("climbing stairs", "climbing stairs person"),
        Query("climbing stairs", "Treppen steigen"),
        Query("climbing stairs", "monter"),
    ]
    assert queries_of("push_ups") == [Query("push_ups", "push ups")]
    with pytest.raises(UsageError, match="write NAME where the action's name goes"):
        queries_of("waving", ["person"])
    with pytest.raises(UsageError, match=r"missing\.txt: no such file"):
        read_names(["missing.txt"])
    with pytest.raises(DataError, match="no row is of jumping; its first is of 'Climbing-Stairs'"):
        read_translations(tmp_path / "words.csv", ["jumping"])


def test_the_command(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KINEMA_CONTACT", raising=False)
    out = tmp_path / "out"
    command = ["mine", "images", "--actions", "waving,jumping high", "--out-path", str(out),
               "--images-per-action", "5", "--num-workers", "2", "--engine", str(photos)]  # fmt: skip

    assert run(command) == 0
    text = capsys.readouterr()
    assert "waving: 5\njumping high: 4 of 5\n9 images, 9 new\n" in text.out
    assert f"kinema mine classifier --data-dir {out}" in text.out
    assert text.err == ""
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"waving": 5, "jumping high": 4}
    assert run([*command[:3], "cooking", *command[4:]]) == 1
    assert "no folder for 'cooking'; there is Jumping_High, waving" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["httpx", "tenacity", "imagehash"])
def test_without_the_extra(
    photos: Path,
    tmp_path: Path,
    module: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    code = run(
        ["mine", "images", "--actions", "waving", "--out", str(tmp_path / "out"), "--engine", str(photos)]
    )

    assert code == 2
    assert (
        capsys.readouterr().err
        == "kinema: mining images needs the mining extra; pip install 'kinema[mining]'\n"
    )
