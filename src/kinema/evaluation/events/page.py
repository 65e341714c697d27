"""events.html: the scores of events on one page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kinema.evaluation.events.figures import event_pictures
from kinema.evaluation.report import page_environment
from kinema.files import write_text


def write_events_page(path: Path, found: dict[str, Any]) -> Path:
    """Write what `summarise_events` returned as a page; every number comes from it. No script and no network."""
    template = page_environment().get_template("events.html.j2")
    write_text(
        path, template.render(title=path.resolve().parent.name, e=found, pictures=event_pictures(found))
    )
    return path
