"""What to do about near-duplicates: keep them in one group, or accept them with a mark that every report shows."""

from __future__ import annotations

from kinema.data.groups import assign_groups, tied_rows
from kinema.data.leaky import mark
from kinema.data.likeness.report import LikenessReport
from kinema.data.manifest import Manifest
from kinema.data.wording import count


def merge_groups(manifest: Manifest, report: LikenessReport, *, places: bool = False) -> Manifest:
    """Return the manifest with near-duplicates in one group, so that no split by group divides them.

    `places=True` joins clips of the same place too. A joined group has the name of its first in natural
    order.
    """
    if manifest.table["group"].isna().any():
        manifest = assign_groups(manifest)
    joins = [(pair.first.row, pair.second.row) for pair in report.pairs]
    if places:
        joins += [(rows[0], row) for rows in report.places for row in rows[1:]]
    before = manifest.table["group"]
    after = tied_rows(before.tolist(), joins)
    joined = len(set(before)) - len(set(after))
    why = "near-duplicates or the same place" if places else "near-duplicates"
    note = f"groups: {count(joined, 'group')} joined with others for {why}: {len(set(before)):,} became {len(set(after)):,}"
    if not joined:
        note = f"groups: none joined, no two hold {why}"
    return manifest.replace(manifest.table.assign(group=after), [*manifest.notes, note])


def accept_leaks(manifest: Manifest, report: LikenessReport) -> Manifest:
    """Return the manifest marked as one whose splits share footage, if they do: every report of it will say so."""
    leaks = report.leaks(manifest)
    if not leaks:
        return manifest
    note = f"{count(len(leaks), 'near-duplicate pair')} across splits, LEAKAGE ALLOWED; every report of it will say so"
    # A worse mark stays.
    table = manifest.table if manifest.split_by else mark(manifest.table, "content")
    return manifest.replace(table, [*manifest.notes, note])
