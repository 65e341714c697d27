"""The table of published data sets: where each officially lies, how large it is, its checksums and terms.

A checksum, and a size to the byte, is here only where it is published; the comment beside it says by whom. `about` and
`unpacked` are rounded: they serve the check of the disk, and users read "about". Counts of actions and clips are those of
the cited papers. Sites that ask for a signature or a click are named with the page to visit and are never worked around.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kinema.errors import UsageError, closest


@dataclass(frozen=True, slots=True)
class Location:
    """An address of a file, and what is published of the bytes there: `size`, `checksum` ("sha256:…")."""

    url: str
    size: int | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a data set: its locations in order of trust, and where it goes.

    `about` is its size in bytes, rounded. An archive is unpacked below `into`; with `nested`, so are the archives
    inside of it.
    """

    name: str
    locations: tuple[Location, ...]
    about: int | None = None
    archive: bool = True
    nested: bool = False
    into: str = ""

    @property
    def bytes(self) -> int | None:
        """Its size, to the byte where that is published, else rounded."""
        return next((place.size for place in self.locations if place.size), self.about)

    @property
    def exact(self) -> bool:
        """Whether its size is published to the byte."""
        return any(place.size for place in self.locations)


@dataclass(frozen=True, slots=True)
class DataSet:
    """A published data set. `how` it is had: its files, its clips one by one from lists, or by hand on a page.

    `unpacked` is about the room in bytes that its files take besides the archives: nobody publishes it.
    """

    name: str
    what: str
    how: Literal["files", "clips", "page"]
    page: str
    terms: str
    citation: str
    files: tuple[RemoteFile, ...] = ()
    unpacked: int = 0

    @property
    def bytes(self) -> int | None:
        """What there is to download in bytes; None where that is not published."""
        sizes = [file.bytes for file in self.files if file.bytes is not None]
        return sum(sizes) if sizes else None

    @property
    def exact(self) -> bool:
        """Whether the size of everything that there is to download is published to the byte."""
        return all(file.exact for file in self.files)


_UCF = "https://www.crcv.ucf.edu/data/UCF101"
_HMDB = "https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main"  # the authors' own account
_BROWN = "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10"  # gone in 2025, kept should it return
_KTH = "https://www.csc.kth.se/cvap/actions"
_DEEPMIND = "https://storage.googleapis.com/deepmind-media/Datasets"
_MB = 1_000_000

# SHA-1 by the `vipy` package (vipy/data/kthactions.py). The megabytes are from memory of the page of the data set, and no
# second source was found for them.
_KTH_ZIPS = {
    "walking": (242, "a3e81537271a0ab4576591774baa38c2d97b7e3a"),
    "jogging": (168, "21943bdbcef9dad106db0d74661e49eaeaa15a25"),
    "running": (149, "da83bb313edfd4455fffdda6263696fa10d43c6f"),
    "boxing": (194, "adb36ed9c29c846d44d2ba15f348bd115c951bbd"),
    "handwaving": (218, "0792f7cd69f7f895a205c08ac212ddaa7177e370"),
    "handclapping": (176, "d3b81261aa822ef63d0d1523f945bfaff27814d2"),
}

_UCF101 = DataSet(
    "ucf101",
    "101 actions, 13,320 clips from YouTube, 3 official splits",
    "files",
    "https://www.crcv.ucf.edu/data/UCF101.php",
    "no licence is stated; research use; see https://www.crcv.ucf.edu/data/UCF101.php",
    "Soomro, Zamir, Shah: UCF101, CRCV-TR-12-01, 2012, arXiv:1212.0402",
    (
        # Both SHA-256 by torchvision (prototype/datasets/_builtin/ucf101.py); the lists' also by TensorFlow
        # Datasets (url_checksums/ucf101.txt), with their size; the size of the videos is what the server of UCF
        # announces, as notebooks and scripts on GitHub quote it.
        RemoteFile(
            "UCF101TrainTestSplits-RecognitionTask.zip",
            (
                Location(
                    f"{_UCF}/UCF101TrainTestSplits-RecognitionTask.zip",
                    113_943,
                    "sha256:5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
                ),
            ),
        ),
        RemoteFile(
            "UCF101.rar",
            (
                Location(
                    f"{_UCF}/UCF101.rar",
                    6_932_971_618,
                    "sha256:ca8dfadb4c891cb11316f94d52b6b0ac2a11994e67a0cae227180cd160bd8e55",
                ),
            ),
        ),
    ),
    unpacked=7_000 * _MB,
)

_HMDB51 = DataSet(
    "hmdb51",
    "51 actions, 6,766 clips from films and the web, 3 official splits",
    "files",
    "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/",
    "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
    "Kuehne, Jhuang, Garrote, Poggio, Serre: HMDB, a large video database for human motion recognition, ICCV 2011",
    (
        # SHA-256 by torchvision (prototype/datasets/_builtin/hmdb51.py), for the files of Brown University;
        # none is published for the authors' later upload. A RAR carries a CRC of each of its files. The sizes are
        # rounded by GluonCV (build/examples_datasets/hmdb51.html): 2.1 GB and 200 KB.
        RemoteFile(
            "test_train_splits.rar",
            (
                Location(f"{_HMDB}/test_train_splits.rar"),
                Location(
                    f"{_BROWN}/test_train_splits.rar",
                    checksum="sha256:229c94f845720d01eb3946d39f39292ea962d50a18136484aa47c1eba251d2b7",
                ),
            ),
            about=200_000,
        ),
        RemoteFile(
            "hmdb51_org.rar",
            (
                Location(f"{_HMDB}/hmdb51_org.rar"),
                Location(
                    f"{_BROWN}/hmdb51_org.rar",
                    checksum="sha256:9e714a0d8b76104d76e932764a7ca636f929fff66279cda3f2e326fa912a328e",
                ),
            ),
            about=2_100 * _MB,
            nested=True,
            into="hmdb51_org",
        ),
    ),
    # A RAR of RARs: for a moment, the inner ones lie beside what comes out of them.
    unpacked=4_300 * _MB,
)

_KTH_ACTIONS = DataSet(
    "kth",
    "6 actions of 25 subjects in 4 scenarios, 599 videos, frame ranges and subject split",
    "files",
    "https://www.csc.kth.se/cvap/actions/",
    "non-commercial use with acknowledgement; see https://www.csc.kth.se/cvap/actions/",
    "Schuldt, Laptev, Caputo: Recognizing human actions, a local SVM approach, ICPR 2004",
    (
        RemoteFile("00sequences.txt", (Location(f"{_KTH}/00sequences.txt"),), about=20_000, archive=False),
        *(
            RemoteFile(
                f"{action}.zip",
                (Location(f"{_KTH}/{action}.zip", checksum=f"sha1:{digest}"),),
                about=megabytes * _MB,
            )
            for action, (megabytes, digest) in _KTH_ZIPS.items()
        ),
    ),
    unpacked=1_300 * _MB,
)


def _kinetics(name: str, archive: str, classes: str, clips: str, citation: str) -> DataSet:
    return DataSet(
        name,
        f"{classes} actions, up to {clips} clips of 10 s on YouTube; give --classes and --per-class",
        "clips",
        "https://github.com/cvdfoundation/kinetics-dataset",
        "lists CC BY 4.0, https://creativecommons.org/licenses/by/4.0/; videos: https://www.youtube.com/t/terms",
        citation,
        (RemoteFile(archive, (Location(f"{_DEEPMIND}/{archive}"),)),),
        unpacked=200 * _MB,
    )


def _by_hand(name: str, what: str, page: str, terms: str, citation: str) -> DataSet:
    return DataSet(name, what, "page", page, terms, citation)


# Clips of Kinetics: 306,245 in the paper of 400; 495,547 of 600 and 650,317 of 700 as later papers and lists quote them; for
# 700-2020 the average of 926 a class of table 1 of its paper. Not all have stayed on YouTube.
_ALL = (
    _UCF101,
    _HMDB51,
    _KTH_ACTIONS,
    _kinetics(
        "kinetics400",
        "kinetics400.tar.gz",
        "400",
        "306,000",
        "Kay et al.: The Kinetics human action video dataset, 2017, arXiv:1705.06950",
    ),
    _kinetics(
        "kinetics600",
        "kinetics600.tar.gz",
        "600",
        "496,000",
        "Carreira et al.: A short note about Kinetics-600, 2018, arXiv:1808.01340",
    ),
    _kinetics(
        "kinetics700",
        "kinetics700.tar.gz",
        "700",
        "650,000",
        "Carreira et al.: A short note on the Kinetics-700 human action dataset, 2019, arXiv:1907.06987",
    ),
    _kinetics(
        "kinetics700-2020",
        "kinetics700_2020.tar.gz",
        "700",
        "648,000",
        "Smaira et al.: A short note on the Kinetics-700-2020 human action dataset, 2020, arXiv:2010.10864",
    ),
    _by_hand(
        "something-something-v2",
        "174 actions with objects, 220,847 clips",
        "https://www.qualcomm.com/developer/software/something-something-v-2-dataset",
        "an account and the research licence of Qualcomm",
        "Goyal et al.: The something something video database, ICCV 2017, arXiv:1706.04261",
    ),
    _by_hand(
        "jester",
        "27 hand gestures, 148,092 clips",
        "https://www.qualcomm.com/developer/software/jester-dataset",
        "an account and the research licence of Qualcomm",
        "Materzynska et al.: The Jester dataset, ICCV workshops 2019",
    ),
    _by_hand(
        "moments-in-time",
        "339 actions and events, about a million clips of 3 s",
        "http://moments.csail.mit.edu/",
        "a form to fill in",
        "Monfort et al.: Moments in Time, TPAMI 2019, arXiv:1801.03150",
    ),
    _by_hand(
        "ut-interaction",
        "6 actions of two people, 120 segmented clips, 20 sequences",
        "https://cvrc.ece.utexas.edu/SDHA2010/Human_Interaction.html",
        "no licence is stated; citation asked for",
        "Ryoo, Aggarwal: UT-Interaction dataset, ICPR contest SDHA 2010",
    ),
)

CATALOGUE: dict[str, DataSet] = {data_set.name: data_set for data_set in _ALL}


def find(name: str) -> DataSet:
    """Return the data set of that name; case, `-` and `_` do not matter.

    >>> find("UCF-101").name
    'ucf101'

    Raises `UsageError` that names the nearest one.
    """
    plain = {_plain(known): data_set for known, data_set in CATALOGUE.items()}
    if _plain(name) not in plain:
        raise UsageError(f"unknown data set '{name}'; {closest(name, list(CATALOGUE))}")
    return plain[_plain(name)]


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
