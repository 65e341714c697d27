"""What pages ask before long work: a check, an import, a split."""

from __future__ import annotations

from typing import Any

from django import forms

from kinema.data.readers.registry import Reader, readers
from kinema.errors import UsageError
from kinema.web.datasets.catalogue import Entry

_TITLE = 120
_NAMES = 400_000  # characters of a list of names: some 10,000


class CheckForm(forms.Form):
    """What counts as too short, and whether to look for leaks by content."""

    min_seconds = forms.FloatField(
        label="Shortest clip, seconds",
        min_value=0,
        max_value=3600,
        initial=0.2,
        help_text="Less is too short.",
    )
    min_frames = forms.IntegerField(
        label="Fewest frames", min_value=1, max_value=100_000, initial=4, help_text="Fewer are too short."
    )
    leaks = forms.BooleanField(
        label="Look for the same footage in two splits or groups as well",
        required=False,
        help_text="Compares what the clips show, so that copies under other names are found; takes about twice as long.",
    )


class GroupsForm(forms.Form):
    """How clips of one subject or recording are told: they stay in one split."""

    group_by = forms.ChoiceField(
        label="Clips of one recording or person",
        required=False,
        choices=[
            ("", "as the data or the file names say"),
            ("block", "neighbours in the numbering of the names"),
            ("pattern", "a part of the path (a regular expression)"),
            ("column", "a column of the table"),
        ],
        help_text="They are one group, which no split divides.",
    )
    group_value = forms.CharField(
        label="Number, expression or column",
        required=False,
        max_length=300,
        help_text=r"For neighbours a number such as 10; for a part of the path an expression such as (person\d+).",
    )

    def groups(self) -> dict[str, Any]:
        """Return what `kinema.data.assign_groups` takes; nothing where nothing was asked for."""
        how, value = self.cleaned_data.get("group_by"), self.cleaned_data.get("group_value")
        return {how: int(value) if how == "block" else value} if how else {}

    def clean(self) -> dict[str, Any]:
        """Refuse a way without its value."""
        data: dict[str, Any] = super().clean() or {}
        how, value = data.get("group_by"), (data.get("group_value") or "").strip()
        if how and not value:
            self.add_error("group_value", "Say which.")
        elif how == "block" and not (value.isdecimal() and 1 <= int(value) <= 1_000_000):
            self.add_error("group_value", "A number from 1 on.")
        data["group_value"] = value
        return data


class ImportForm(GroupsForm):
    """How a folder or list is read."""

    title = forms.CharField(label="Name", max_length=_TITLE, help_text="Under this name it is listed here.")
    format = forms.ChoiceField(label="Read as", required=False)
    fold = forms.TypedChoiceField(
        label="Official split",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "the first"), (1, "1"), (2, "2"), (3, "3")],
        help_text="UCF101 and HMDB51 have three.",
    )
    fps = forms.FloatField(
        label="Frames a second",
        required=False,
        min_value=0.1,
        max_value=1000,
        help_text="Of folders of pictures (25 where nothing is said), or of frame numbers in a list.",
    )
    videos = forms.ChoiceField(
        label="Folder of the videos",
        required=False,
        help_text="Where the list lies elsewhere than its videos.",
    )
    tier = forms.CharField(
        label="Tier", required=False, max_length=200, help_text="ELAN: the tier to read (all)."
    )
    attribute = forms.CharField(
        label="Attribute",
        required=False,
        max_length=200,
        help_text="VIA, CVAT: the attribute that is the label.",
    )

    def __init__(self, *args: Any, recognised: Reader, folders: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.recognised = recognised
        self.fields["format"].choices = [
            ("", f"{recognised.name} (recognised)"),
            *((reader.name, f"{reader.name}: {reader.layout}") for reader in readers()),
        ]
        self.fields["videos"].choices = [("", "beside the list"), *folders]

    @property
    def wanted(self) -> list[str]:
        """The settings that the recognised reader takes."""
        return [name for name in self.recognised.options if name in self.fields]

    def options(self) -> dict[str, Any]:
        """Return the settings of the reader that were given; `videos` is apart, being a key."""
        given = {name: self.cleaned_data.get(name) for name in ("fold", "fps", "tier", "attribute")}
        return {name: value for name, value in given.items() if value not in (None, "")}

    def clean(self) -> dict[str, Any]:
        """Refuse settings that the reader does not take."""
        data = super().clean()
        name = data.get("format") or self.recognised.name
        takes = next(reader.options for reader in readers() if reader.name == name)
        for setting in ("fold", "fps", "tier", "attribute", "videos"):
            if data.get(setting) not in (None, "") and setting not in takes:
                self.add_error(setting, f"{name} does not take this: leave it empty.")
        return data


class SplitForm(forms.Form):
    """How a manifest is split."""

    title = forms.CharField(label="Name of the new manifest", max_length=_TITLE)
    way = forms.ChoiceField(
        label="How",
        widget=forms.RadioSelect,
        initial="group",
        choices=[
            ("group", "By group, in shares: no person or recording is in two splits, classes in proportion"),
            ("folds", "In folds, by group: each group is tested once"),
            ("leave", "Leave one group out at a time"),
            ("lists", "By names: I say which videos are tested"),
            ("like", "As another manifest is split, such as an official one"),
        ],
    )
    train = forms.FloatField(label="Train, %", min_value=0, max_value=100, initial=70)
    valid = forms.FloatField(label="Valid, %", min_value=0, max_value=100, initial=15)
    test = forms.FloatField(label="Test, %", min_value=0, max_value=100, initial=15)
    seed = forms.IntegerField(
        label="Seed", min_value=0, max_value=2**31 - 1, initial=0, help_text="Another seed, another split."
    )
    replace = forms.BooleanField(
        label="Forget the splits that it has",
        required=False,
        help_text="Else they are kept, and only what is missing is made: a missing valid is taken from train.",
    )
    folds = forms.IntegerField(label="Folds", min_value=2, max_value=100, initial=5, required=False)
    fold_valid = forms.FloatField(
        label="Of the rest to validate on, %", min_value=0, max_value=90, initial=0, required=False
    )
    test_videos = forms.CharField(
        label="Test videos",
        required=False,
        max_length=_NAMES,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="A name a line; all others are trained on.",
    )
    valid_videos = forms.CharField(
        label="Valid videos",
        required=False,
        max_length=_NAMES,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="A name a line, if any.",
    )
    like = forms.ChoiceField(label="Manifest to follow", required=False)
    content = forms.ChoiceField(
        label="Look at what the clips show",
        widget=forms.RadioSelect,
        required=False,
        initial="check",
        choices=[
            ("", "No: trust the groups"),
            ("check", "Afterwards: refuse the split where two parts show the same footage"),
            ("footage", "Before: what shows the same footage is one group"),
            ("places", "Before: what shows the same footage or the same place is one group"),
        ],
        help_text="Decodes every clip.",
    )

    def __init__(self, *args: Any, others: list[Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["like"].choices = [("", "choose one"), *((one.key, one.title) for one in others)]

    def clean(self) -> dict[str, Any]:
        """Refuse shares that are none, and a way without what it needs."""
        data: dict[str, Any] = super().clean() or {}
        way = data.get("way")
        if way == "group" and all(name in data for name in ("train", "valid", "test")):
            total = data["train"] + data["valid"] + data["test"]
            if abs(total - 100) > 0.01:
                self.add_error("train", f"The shares sum to {total:g} %, not to 100 %.")
        if way == "folds" and not data.get("folds"):
            self.add_error("folds", "Say how many.")
        if way == "lists" and not (data.get("test_videos") or data.get("valid_videos")):
            self.add_error("test_videos", "Name at least one video.")
        if way == "like" and not data.get("like"):
            self.add_error("like", "Choose the manifest to follow.")
        return data

    def settings(self) -> dict[str, Any]:
        """Return what `SplitSettings` takes, as JSON; `like` is the key of the manifest to follow. Raises `UsageError`."""
        data = self.cleaned_data
        way, content = data["way"], data.get("content") or ""
        given: dict[str, Any] = {"seed": data["seed"], "check_content": bool(content)}
        if content in ("footage", "places"):
            given["merge"] = content
        if way == "group":
            shares = {name: round(data[name] / 100, 6) for name in ("train", "valid", "test")}
            total = sum(shares.values())
            given |= {
                "fractions": {name: share / total for name, share in shares.items()},
                "replace": data["replace"],
            }
        elif way in ("folds", "leave"):
            given |= {
                "folds": data["folds"] if way == "folds" else "group",
                "valid": (data.get("fold_valid") or 0) / 100,
            }
        elif way == "lists":
            named = {"test": _lines(data["test_videos"]), "valid": _lines(data["valid_videos"])}
            given["lists"] = {name: names for name, names in named.items() if names}
        elif way == "like":
            given["like"] = data["like"]
        else:
            raise UsageError(f"no such way to split: {way}")
        return given


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
