"""What a reader must know before believing the numbers, in plain sentences."""

from __future__ import annotations

from typing import Any

from kinema.data.leaky import LEAKY
from kinema.evaluation.baselines import FRAME_AVERAGING, MAJORITY

GAP = 0.10
SERIOUS_GAP = 0.20
WIDE = 0.20
FEW_ITEMS = 10
FEW_GROUPS = 10
BAD_ECE = 0.05


def find_caveats(summary: dict[str, Any]) -> list[dict[str, str]]:
    """Judge a summary (see `summary.summarise`): a list of `level` ("serious", "warning", "note"), `code` and
    `text`.

    The rules, all on video-level top-1 of the headline split:

    - inflated: the splits leak with their maker's consent (`Manifest.split_by`), or the recognizer was trained
      on such splits; always first. leak: the caller found one. no-test: the headline is not of a test split.
    - random-backbone: the pictures are read by a frozen network of random weights.
    - over-fitting: train accuracy is at least 0.10 higher *and* above the upper end of the interval (so that
      the groups drawn do not explain it); serious from 0.20 on.
    - few-groups: under 5, no interval; under 10, the interval is itself uncertain. wide-interval: wider than
      0.20.
    - few-items: a class with fewer than 10 items. absent-class: a class with none.
    - majority, frame-averaging: the interval of the paired difference to that baseline reaches 0 or below;
      without an interval, the difference itself.
    - calibration: ECE above 0.05 *and* above the 95th percentile of what perfect calibration gives on as many
      items.
    - optimistic-valid: valid was used to choose the weights or settings.
    """
    split = summary["headline"]["split"]
    found = [
        *_inflated(summary),
        *_random_backbone(summary),
        *_split_caveats(summary, split),
        *_overfitting(summary, split),
        *_interval_caveats(summary["headline"], split),
        *_baseline_caveats(summary, split),
        *_class_caveats(summary["headline"], split),
        *_calibration_caveats(summary, split),
    ]
    rank = {"serious": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda item: rank[item["level"]])


def _say(level: str, code: str, text: str) -> dict[str, str]:
    return {"level": level, "code": code, "text": text}


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _points(value: float) -> str:
    return f"{100 * abs(value):.1f} points"


def _inflated(summary: dict[str, Any]) -> list[dict[str, str]]:
    if summary.get("split_by") in LEAKY:
        return [_say("serious", "inflated", f"INFLATED. {LEAKY[summary['split_by']]}")]
    if summary.get("provenance", {}).get("split_by") in LEAKY:
        text = (
            "The recognizer was trained on splits that leak, made so on purpose (--allow-leakage). Unless these videos are "
            "of other recordings than its training data, the numbers here are inflated."
        )
        return [_say("serious", "inflated", text)]
    return []


def _random_backbone(summary: dict[str, Any]) -> list[dict[str, str]]:
    if not summary.get("provenance", {}).get("random_backbone"):
        return []
    text = (
        "The backbone has random weights and was frozen, so it never learned to see. Train with weights=bundled, with a file "
        "of weights, or from nothing with freeze=false."
    )
    return [_say("serious", "random-backbone", text)]


def _split_caveats(summary: dict[str, Any], split: str) -> list[dict[str, str]]:
    found = [_say("serious", "leak", f"The splits are not independent: {leak}") for leak in summary["leaks"]]
    if split != "test":
        how = (
            "which also chose the weights, so it is too optimistic"
            if split == "valid" and summary["selected_on_valid"]
            else "and says nothing about new videos"
            if split == "train"
            else "which is not a test split"
        )
        found.append(
            _say("serious", "no-test", f"There is no test split. The headline is of '{split}', {how}.")
        )
    elif "valid" in summary["splits"] and summary["selected_on_valid"]:
        text = "Valid was used to choose the weights, so its number is optimistic; quote the one of test."
        found.append(_say("note", "optimistic-valid", text))
    return found


def _overfitting(summary: dict[str, Any], split: str) -> list[dict[str, str]]:
    if split == "train" or "train" not in summary["splits"]:
        return []
    train = summary["splits"]["train"]["video"]["top1"]["value"]
    here = summary["headline"]["top1"]
    gap = train - here["value"]
    if gap < GAP or (here["high"] is not None and train <= here["high"]):
        return []
    text = (
        f"Over-fitting: {_percent(train)} on train against {_percent(here['value'])} on {split}, "
        f"{_points(gap)} apart. The model knows what it was trained on better than the actions; more groups "
        "(subjects, places), stronger augmentation or fewer trainable weights close this gap."
    )
    return [_say("serious" if gap >= SERIOUS_GAP else "warning", "over-fitting", text)]


def _interval_caveats(headline: dict[str, Any], split: str) -> list[dict[str, str]]:
    top1, groups = headline["top1"], headline["groups"]
    if top1["low"] is None:
        return [_say("serious", "few-groups", f"No interval: in {split}, {top1['note']}.")]
    found = []
    if groups < FEW_GROUPS:
        text = (
            f"Only {groups} groups in {split}: the interval itself is uncertain and tends to be too narrow."
        )
        found.append(_say("warning", "few-groups", text))
    if top1["high"] - top1["low"] > WIDE:
        text = (
            f"The 95 % interval is {_points(top1['high'] - top1['low'])} wide: {headline['items']} items in "
            f"{groups} groups cannot say more exactly what to expect from others."
        )
        found.append(_say("warning", "wide-interval", text))
    if top1["method"].startswith("Clopper"):
        found.append(_say("note", "exact-interval", f"About the interval: {top1['note']}."))
    return found


def _baseline_caveats(summary: dict[str, Any], split: str) -> list[dict[str, str]]:
    meaning = {
        MAJORITY: "Nothing shows yet that the model has learned the actions.",
        FRAME_AVERAGING: "Nothing shows yet that looking at time helps here.",
    }
    found = []
    for name, by_split in summary["baselines"].items():
        if split not in by_split:
            continue
        gain = by_split[split]["difference"]
        lower = gain["low"] if gain["low"] is not None else gain["value"]
        if lower > 0:
            continue
        if gain["low"] is None:
            interval = ""
        else:
            interval = f" (95 % interval {100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"
        verb = "is no better than" if gain["value"] <= 0 else "is not clearly better than"
        apart = f"{100 * gain['value']:+.1f} points{interval}"
        text = f"The model {verb} the baseline '{name}' on {split}: {apart}. {meaning.get(name, '')}".strip()
        level = "serious" if name == MAJORITY else "warning"
        found.append(_say(level, name.replace(" class", "").replace(" ", "-"), text))
    return found


def _class_caveats(headline: dict[str, Any], split: str) -> list[dict[str, str]]:
    found = []
    support = {row["class"]: int(row["support"]) for row in headline["per_class"]}
    few = [f"{name} ({count})" for name, count in support.items() if 0 < count < FEW_ITEMS]
    absent = [name for name, count in support.items() if count == 0]
    if few:
        who = f"every class (at most {max(support.values())})" if len(few) == len(support) else _listed(few)
        text = f"Fewer than {FEW_ITEMS} items in {split}, so their own numbers say little: {who}."
        found.append(_say("note", "few-items", text))
    if absent:
        text = f"Not in {split} at all, so left out of the averages: {_listed(absent)}."
        found.append(_say("warning", "absent-class", text))
    return found


def _calibration_caveats(summary: dict[str, Any], split: str) -> list[dict[str, str]]:
    levels = summary["calibration"].get(split, {})
    found = levels.get("video") or levels.get("clip")
    if not found:
        return []
    now = found.get("after", found["before"])
    if now["ece"] <= max(BAD_ECE, now["ece_by_chance"]["upper"]):
        return []
    gap = now["mean_confidence"] - now["accuracy"]
    text = (
        f"Calibration: the model is {'over' if gap > 0 else 'under'}-confident on {split}: mean probability "
        f"{_percent(now['mean_confidence'])}, right {_percent(now['accuracy'])} of the time "
        f"(ECE {_percent(now['ece'])}; perfect calibration would show up to "
        f"{_percent(now['ece_by_chance']['upper'])} on as many items). Choose alarm thresholds "
        "on data, not by their face value."
    )
    return [_say("warning", "calibration", text)]


def _listed(names: list[str], limit: int = 8) -> str:
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
