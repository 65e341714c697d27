"""`kinema evaluate-events RUN DATA`: events against labelled segments, and rules chosen on valid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinema.errors import DataError, UsageError

if TYPE_CHECKING:
    from kinema.events import EventRules

_CHOOSING = "Choosing rules"


def evaluate_events(
    run: Annotated[Path, typer.Argument(help="A run folder, or a recognizer's folder.", show_default=False)],
    data: Annotated[
        Path,
        typer.Argument(
            help="A manifest of segments with start and end; videos are looked at whole.", show_default=False
        ),
    ],
    split: Annotated[str, typer.Option(help="The split to score.")] = "test",
    rules: Annotated[
        Path | None,
        typer.Option(
            help="JSON or TOML file of event rules; default the recognizer's own.", show_default=False
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Only this label makes events; repeat it for more.", show_default=False),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option(help="This class makes no events; default one called 'background'.", show_default=False),
    ] = None,
    choose_on: Annotated[
        str | None,
        typer.Option(
            help="Choose the rules on this split first: valid.", rich_help_panel=_CHOOSING, show_default=False
        ),
    ] = None,
    false_alarms_per_hour: Annotated[
        float | None,
        typer.Option(
            help="At most so many on valid; the best F1 within.",
            rich_help_panel=_CHOOSING,
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Store the chosen rules with the recognizer.", rich_help_panel=_CHOOSING
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where the results go; default RUN/events-DATA.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, torch (torch on the CPU) or cuda.")] = "auto",
) -> None:
    """Score the events of a recognizer: F1, precision and recall by temporal IoU, mAP, false alarms an hour, delay.

    Each video is predicted once and kept, so that trying other rules takes seconds. The same command goes on where it was
    stopped.
    """
    for path in (run, data):  # before seconds of importing
        if "://" not in str(path) and not path.exists():
            raise DataError(f"{path}: no such file or folder; check the path")
    from kinema.cli.console import done, progress_bar, quoted
    from kinema.evaluation.events.evaluate import evaluate_events as score
    from kinema.models import Recognizer

    own = _rules(run, rules, label, background)
    folder = out or _default_out(run, data)
    recognizer = Recognizer.load(run, device=device)
    with progress_bar(count=False) as bar:
        task = bar.add_task("loading", total=None)

        def show(finished: float, total: int, what: str) -> None:
            bar.update(task, description=what, completed=finished, total=total)

        found = score(
            recognizer,
            data,
            split=split,
            rules=own,
            choose_on=choose_on,
            false_alarms_per_hour=false_alarms_per_hour,
            write=write,
            out=folder,
            progress=show,
        )
    _tell(found)
    files = [folder / name for name in ("events.html", "events.json", "events.csv")]
    if write and recognizer.folder is not None:
        files.append(recognizer.folder / "events.json")
    done(files, [f"kinema predict {quoted(run)} VIDEO"])


def _rules(
    run: Path, rules: Path | None, labels: list[str] | None, background: list[str] | None
) -> EventRules | None:
    from dataclasses import replace

    from kinema.events import EventRules

    if labels and background:
        raise UsageError(
            "--label and --background: the first says what makes events, the other what does not; give one"
        )
    if rules is None and not labels and not background:
        return None
    inner = run / "recognizer"
    base = EventRules.read(rules) if rules is not None else EventRules.of(inner if inner.is_dir() else run)
    if labels:
        return replace(base, labels=tuple(labels), background=())
    return replace(base, background=tuple(background)) if background else base


def _default_out(run: Path, data: Path) -> Path:
    inside = (run / "recognizer.json").is_file()
    if inside and run.resolve().name != "recognizer":
        return Path(f"events-{data.resolve().stem}")
    return (run.parent if inside else run) / f"events-{data.resolve().stem}"


def _tell(found: dict[str, Any]) -> None:
    from kinema.cli.console import say, warn

    rows = [("these rules", found["numbers"])]
    rows += [(one["name"], one["numbers"]) for one in found["baselines"]]
    numbers = found["numbers"]
    say(
        f"{found['split']}: {numbers['segments']} segments in {numbers['videos']} videos, {60 * numbers['hours']:.1f} minutes"
    )
    width = max(len(name) for name, _ in rows)
    say(f"{'':{width}}  F1@0.5  95 % interval   false alarms/h  delay  detected")
    for name, one in rows:
        f1, rate = one["at"]["0.5"]["f1"], one["false_alarms"]["per_hour"]
        interval = "" if not f1 or f1["low"] is None else f"{f1['low']:.3f} to {f1['high']:.3f}"
        delay = one["delay"]["median"]
        say(
            f"{name:{width}}  {_number(f1 and f1['value'], 3):>6}  {interval:<14}  {_number(rate and rate['value'], 1):>14}  "
            f"{_number(delay, 1):>5}  {one['detection']['detected']}/{one['segments']}"
        )
    if found["chosen"]:
        rule = found["rules"]["default"]
        smoothing = found["rules"]["smoothing"]
        over = "" if smoothing == "none" else f" over {found['rules']['smoothing_seconds']:g} s"
        say(
            f"chosen on valid of {found['chosen']['tried']} settings: enter {rule['enter']:g}, leave {rule['leave']:g}, "
            f"{rule['consecutive']} rows, {rule['min_seconds']:g} s, gaps to {rule['merge_gap']:g} s, smoothing {smoothing}"
            f"{over}, lag {found['rules']['lag']:g} s"
        )
    for item in found["caveats"]:
        say(f"{item['level']}: {item['text']}")
    for line in found["problems"]:
        warn(line)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
