"""Scores a trained recognizer on labelled video and writes its report."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.data import Manifest, read_data
from kinema.errors import DataError
from kinema.evaluation.baselines import FRAME_AVERAGING, MAJORITY, majority_class
from kinema.evaluation.report import write_pictures, write_report
from kinema.evaluation.scores import Scores
from kinema.evaluation.segment_predictions import write_segment_predictions
from kinema.evaluation.summary import ReportData, SplitScores
from kinema.files import atomic_path, write_json

if TYPE_CHECKING:
    from kinema.models import Recognizer, TemporalHead
    from kinema.training.features import Track

_BASELINE = "frame_averaging.safetensors"


def evaluate(
    recognizer: Recognizer | str | os.PathLike[str],
    data: Manifest | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    events: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score a recognizer on labelled data; return the report's numbers, and write report.html and results.json to `out`.

    `events`: look at the whole videos of test too, and score the events in them by the rules stored with the recognizer
    (`kinema.evaluation.events.evaluate`, which also chooses rules and writes a page of its own).

    Rows of the manifest keep their splits; rows without one count as test. Features come from the cache where the same
    videos have been seen. Raises `DataError` when a label is not a class of the recognizer, or nothing can be read.
    """
    from kinema.models import FactorisedModel, Recognizer
    from kinema.training.features import FeatureCache
    from kinema.training.scoring import follow_segments, scores_of, track_logits

    if not isinstance(recognizer, Recognizer):
        recognizer = Recognizer.load(recognizer)
    manifest = data if isinstance(data, Manifest) else read_data(data)
    unknown = [label for label in manifest.classes if label not in recognizer.classes]
    if unknown:
        raise DataError(
            f"label '{unknown[0]}' is not a class of this recognizer ({', '.join(recognizer.classes[:8])}); "
            "leave such rows out, or train with them"
        )
    manifest = manifest.replace(manifest.table.assign(split=manifest.table["split"].fillna("test")))
    segments = [s for s in manifest.segments() if s.label is not None]
    model = recognizer.model
    if isinstance(model, FactorisedModel):
        cache = FeatureCache(model.backbone, recognizer.spec, recognizer.embedder)
        extraction = cache.extract(segments, progress=progress)
        tracks, problems = extraction.readable(), extraction.problems
        logits = [track_logits(model, track) for track in tracks]
    else:
        followed = follow_segments(recognizer, segments, progress)
        tracks, logits, problems = followed.tracks, followed.logits, followed.problems
    if not tracks:
        raise DataError(f"no labelled video could be read; first: {(problems or ['no labelled row'])[0]}")
    scores = scores_of(tracks, logits, recognizer.spec.frames, recognizer.classes)
    report = ReportData(
        classes=recognizer.classes,
        protocol=protocol_sentence(recognizer, "as the manifest gives them"),
        splits=split_scores(scores),
        split_by=manifest.split_by,
        baselines=_baselines(recognizer, tracks, scores),
        root=manifest.root,
        temperature=recognizer.temperature,
        calibration=recognizer.provenance.get("calibration", ""),
        params={"model": recognizer.name, **recognizer.settings},
        provenance={**recognizer.provenance, "evaluated data": manifest.fingerprint()},
        data_description=manifest.describe() + "".join(f"\nnot readable: {line}" for line in problems),
    )
    if events:
        from kinema.evaluation.events.evaluate import evaluate_events

        rows = Path(out) / "rows" if out is not None else None
        report.events = evaluate_events(recognizer, manifest, rows=rows)
    return publish(report, Path(out) if out is not None else None)


def save_baseline(head: TemporalHead, folder: Path) -> None:
    """Keep the frame-averaging head beside a recognizer, so that later reports show the same baseline."""
    from safetensors.torch import save_file

    with atomic_path(folder / _BASELINE) as temporary:
        save_file({key: value.contiguous() for key, value in head.state_dict().items()}, temporary)


def _baselines(recognizer: Recognizer, tracks: list[Track], scores: Scores) -> dict[str, dict[str, Scores]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from kinema.models import FactorisedModel, create_head
    from kinema.training.scoring import score_tracks

    found: dict[str, dict[str, Scores]] = {}
    parts = split_scores(scores)
    if counts := recognizer.provenance.get("train_labels"):
        labels = [label for label, count in counts.items() for _ in range(count)]
        found[MAJORITY] = {name: majority_class(labels, part.at_video()) for name, part in parts.items()}
    model = recognizer.model
    folder = recognizer.folder
    kept = folder is not None and (folder / _BASELINE).is_file()
    if isinstance(model, FactorisedModel) and folder is not None and kept and model.frames > 1:
        head = create_head("mean", model.backbone.dim, len(recognizer.classes), model.frames)
        path = folder / _BASELINE
        try:
            head.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(
                f"{path}: damaged ({reason}); copy the whole folder again, or delete it"
            ) from error
        averaged = FactorisedModel(len(recognizer.classes), model.frames, model.backbone, head)
        by_split = split_scores(score_tracks(averaged, tracks, recognizer.classes))
        found[FRAME_AVERAGING] = {name: part.at_video() for name, part in by_split.items()}
    return found


def split_scores(scores: Scores) -> dict[str, SplitScores]:
    """Divide clip-level scores by their split."""
    names = [name for name in ("train", "valid", "test") if (scores.table["split"] == name).any()]
    return {name: SplitScores(clip=scores.filter(split=name)) for name in names}


def protocol_sentence(recognizer: Recognizer, splits: str) -> str:
    """Say what was measured: splits, the clip, and how clips become a video's answer."""
    spec = recognizer.spec
    clip = (
        f"one picture, of which {spec.fps:g} a second of video are taken"
        if spec.frames == 1
        else f"{spec.frames} pictures at {spec.fps:g} a second ({spec.span:g} s)"
    )
    return (
        f"Splits: {splits}. A clip is {clip}; clip-level counts "
        "every window of a segment, video-level the mean of their calibrated probabilities, one answer a segment."
    )


def publish(report: ReportData, folder: Path | None, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """Compute the numbers, write `report.html` and `results.json` when `folder` is given, and return them."""
    from kinema.evaluation.summary import summarise

    summary = summarise(report)
    # First in the file, so that whoever reads only the accuracy of results.json has passed it.
    inflated = [item["text"] for item in summary["caveats"] if item["code"] == "inflated"]
    found = {**({"warning": inflated[0]} if inflated else {}), **(extra or {}), "report": summary}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_report(folder, report, found["report"])
        write_pictures(folder, found["report"])
        write_segment_predictions(folder, report)
        write_json(folder / "results.json", found)
    return found
