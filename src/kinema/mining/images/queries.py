"""What engines are asked for a class: its name in templates, and in other languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kinema.data.wording import listing
from kinema.errors import DataError, UsageError
from kinema.mining.images.found import Query

TEMPLATES = ("NAME",)


def read_translations(path: Path, actions: Sequence[str]) -> dict[str, list[str]]:
    """Return the texts of a translations file for each action: a CSV of `name,translation`, one row a text.

    A third column (`language`) is read over. Raises `DataError` when no row fits an action.
    """
    from kinema.mining.images.local import plain, table_rows

    rows = table_rows(path)
    name = next((one for one in ("name", "action", "label", "class") if rows and one in rows[0]), None)
    text = next((one for one in ("translation", "query", "text") if rows and one in rows[0]), None)
    if name is None or text is None:
        raise DataError(
            f"{path}: its columns are not name,translation; there is {listing(rows[0]) if rows else 'no row'}"
        )
    known = {plain(action): action for action in actions}
    found: dict[str, list[str]] = {}
    for row in rows:
        action = known.get(plain(row.get(name, "")))
        if action is not None and row.get(text):
            found.setdefault(action, []).append(row[text])
    if not found:
        raise DataError(f"{path}: no row is of {listing(actions)}; its first is of '{rows[0].get(name, '')}'")
    return found


def queries_of(
    action: str, templates: Sequence[str] = TEMPLATES, translations: Mapping[str, Sequence[str]] | None = None
) -> list[Query]:
    """Return what is asked for an action: each template with its name, then its translations as they stand.

    NAME or {} in a template is the place of the name; underscores in it become spaces.

    >>> [query.text for query in queries_of("push_ups", ["NAME", "NAME person"], {"push_ups": ["pompes"]})]
    ['push ups', 'push ups person', 'pompes']

    Raises `UsageError` for a template without a place.
    """
    spoken = " ".join(action.replace("_", " ").split())
    texts = []
    for template in templates or TEMPLATES:
        if "NAME" not in template and "{}" not in template:
            raise UsageError(
                f"--query '{template}': write NAME where the action's name goes, as in 'NAME person'"
            )
        texts.append(template.replace("NAME", spoken).replace("{}", spoken))
    texts += (translations or {}).get(action, ())
    return [Query(action, text) for text in dict.fromkeys(" ".join(text.split()) for text in texts)]


def folder_names(actions: Sequence[str]) -> dict[str, str]:
    """Return a folder's name for each action: the action, without what file systems refuse; never the same twice.

    >>> folder_names(["push/pull", "push_pull", "Walking"])
    {'push/pull': 'push_pull', 'push_pull': 'push_pull-2', 'Walking': 'Walking'}
    """
    import re

    names: dict[str, str] = {}
    taken: set[str] = set()
    for action in actions:
        plain = re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", action).strip(" .")[:80] or "_"
        name, number = plain, 2
        while name.casefold() in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(name.casefold())
        names[action] = name
    return names
