"""The review in the site's database: decide, undo, what comes next, how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count, Q

from kinema.errors import UsageError
from kinema.mining.review import (
    Candidate,
    Families,
    Neighbours,
    ReviewRules,
    Verdict,
    as_meant,
    outcomes,
    together,
    with_pots,
)
from kinema.mining.review import Decision as Record
from kinema.web.review.filters import OPEN_STATES, ClipFilter
from kinema.web.review.models import Clip, Decision, ReviewSettings

_WINDOW = 200


class SiteBook:
    """The site's review as a `kinema.mining.review.ReviewBook`; reviewers are users, by name."""

    def candidates(self) -> list[Candidate]:
        """Return the clips, newest first."""
        return [clip.candidate() for clip in Clip.objects.all()]

    def records(self) -> list[Record]:
        """Return all records."""
        return [decision.record() for decision in Decision.objects.select_related("clip")]

    def decide(self, clip: str, reviewer: str, verdict: Verdict, label: str = "") -> Record:
        """Add a decision."""
        found = Clip.objects.filter(uid=clip).first()
        if found is None:
            raise UsageError(f"no clip {clip!r} in this review")
        return decide(found, _user(reviewer), verdict, label).record()

    def undo(self, reviewer: str) -> Record | None:
        """Take back the reviewer's last decision that stands."""
        undone = undo(_user(reviewer))
        return undone.record() if undone is not None else None


def decide(clip: Clip, user: Any, verdict: Verdict, label: str = "") -> Decision:
    """Add a user's decision on a clip, and bring the clip's state up to date. Raises `UsageError` for one without a label."""
    verdict, label = as_meant(clip.label, verdict, label)
    with transaction.atomic():
        locked = Clip.objects.select_for_update().get(pk=clip.pk)
        made = Decision.objects.create(
            clip=locked, reviewer=user, name=user.get_username(), verdict=verdict.value, label=label
        )
        _settle([locked], ReviewSettings.rules())
    clip.refresh_from_db(fields=["state", "agreed", "votes"])
    made.clip = clip
    return made


def undo(user: Any) -> Decision | None:
    """Take back a user's last decision that stands, by a record of its own; return the one taken back, None where none is."""
    with transaction.atomic():
        last = _standing(user).select_related("clip").order_by("-id").first()
        if last is None:
            return None
        locked = Clip.objects.select_for_update().get(pk=last.clip_id)
        if Decision.objects.filter(undoes=last).exists():
            return None  # by the same user's other window, just now
        Decision.objects.create(
            clip=locked, reviewer=user, name=user.get_username(), verdict=Verdict.UNDO.value, undoes=last
        )
        _settle([locked], ReviewSettings.rules())
    last.clip.refresh_from_db()
    return last


def next_clips(user: Any, wanted: ClipFilter | None = None, count: int = 5) -> list[Clip]:
    """Return what a user should look at next, at most `count`, as `kinema.mining.review.next_clips` orders it.

    The database leaves out what is settled or decided by the user, and puts what others began first; of that the first few
    hundred are arranged, near-duplicates side by side and clips of known answer among them.
    """
    rules = ReviewSettings.rules()
    mine = _standing(user)
    waiting = (wanted or ClipFilter()).without_state().clips().filter(state__in=OPEN_STATES, known=None)
    waiting = waiting.exclude(pk__in=mine.values("clip"))
    found = list(waiting.order_by("-votes", "-recorded", "-id")[:_WINDOW])
    last = mine.select_related("clip").order_by("-id").first()
    before = [last.clip] if last is not None else []
    families = {clip.family for clip in (*found, *before) if clip.family}
    if families:
        shown = {clip.pk for clip in found}
        found += [clip for clip in waiting.filter(family__in=families)[:_WINDOW] if clip.pk not in shown]
    pots: list[Clip] = []
    done = seen = 0
    if rules.pots_every and found:
        pots = list(
            Clip.objects.exclude(known=None).exclude(pk__in=mine.values("clip")).order_by("id")[:count]
        )
        if pots:
            decided = mine.aggregate(
                pots=Count("clip", filter=Q(clip__known__isnull=False), distinct=True),
                all=Count("clip", distinct=True),
            )
            seen = decided["pots"]
            done = decided["all"] - seen
    clips = {clip.uid: clip for clip in (*found, *pots)}
    arranged = with_pots(
        together(
            [clip.candidate() for clip in found],
            neighbours([*found, *before]),
            before[0].uid if before else None,
        ),
        [clip.candidate() for clip in pots],
        rules.pots_every,
        done,
        seen,
    )
    return [clips[candidate.uid] for candidate in arranged[:count]]


def neighbours(clips: Sequence[Clip]) -> Neighbours:
    """Return the function from a clip to those of its family among `clips`."""
    return Families({clip.uid: clip.family for clip in clips}).neighbours


def counts(user: Any, wanted: ClipFilter | None = None) -> dict[str, int]:
    """Return how many clips there are, and how many are settled, accepted, wrong, disputed, waiting, decided by the user."""
    clips = (wanted or ClipFilter()).without_state().clips().filter(known=None)
    found: dict[str, int] = clips.order_by().aggregate(
        total=Count("id"),
        waiting=Count("id", filter=Q(state__in=OPEN_STATES)),
        accepted=Count("id", filter=Q(state="accepted")),
        wrong=Count("id", filter=Q(state="wrong")),
        disputed=Count("id", filter=Q(state="disputed")),
    )
    found["settled"] = found["total"] - found["waiting"]
    mine = _standing(user).filter(clip__in=clips.order_by().values("pk"))
    found["mine"] = mine.aggregate(clips=Count("clip", distinct=True))["clips"]
    return found


def change_rules(rules: ReviewRules) -> int:
    """Keep how many votes a clip needs, judge all clips by it, and return how many have another state now."""
    with transaction.atomic():
        values = {"need": rules.need, "of": rules.of, "pots_every": rules.pots_every}
        row = ReviewSettings.objects.order_by("pk").first()
        ReviewSettings.objects.update_or_create(pk=row.pk if row else 1, defaults=values)
        return _settle(list(Clip.objects.filter(decisions__isnull=False).distinct()), rules)


def _standing(user: Any) -> Any:
    """A user's decisions that were not taken back."""
    return Decision.objects.filter(reviewer=user, undone_by=None).exclude(verdict=Verdict.UNDO.value)


def _settle(clips: list[Clip], rules: ReviewRules) -> int:
    """Write down what the decisions on some clips come to; return how many changed."""
    decisions = Decision.objects.select_related("clip")
    if len(clips) == 1:
        decisions = decisions.filter(clip=clips[0])
    found = outcomes([clip.uid for clip in clips], [decision.record() for decision in decisions], rules)
    changed = []
    for clip in clips:
        now = found[clip.uid]
        if (clip.state, clip.agreed, clip.votes) != (now.state.value, now.label, now.votes):
            clip.state, clip.agreed, clip.votes = now.state.value, now.label, now.votes
            changed.append(clip)
    Clip.objects.bulk_update(changed, ["state", "agreed", "votes"], batch_size=500)
    return len(changed)


def _user(name: str) -> Any:
    found = get_user_model().objects.filter(username=name).first()
    if found is None:
        raise UsageError(f"no user {name!r} on this site")
    return found
