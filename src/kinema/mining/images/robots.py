"""What a site's robots.txt lets a program fetch (RFC 9309)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

MOST_BYTES = 512_000
"""How much of a robots.txt is read; RFC 9309 asks for 500 KiB at least."""


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules for one program: (pattern, allowed); `delay` in seconds between requests where the site asks for one."""

    rules: tuple[tuple[str, bool], ...] = ()
    delay: float | None = None

    def allows(self, target: str) -> bool:
        """Whether a path with its query may be fetched: the longest pattern that fits decides, on a tie the one that allows.

        >>> Robots.parse("User-agent: *\\nDisallow: /search\\nAllow: /search/about").allows("/search/about?x=1")
        True
        """
        target = _plain(target or "/")
        if target == "/robots.txt":
            return True
        fitting = [(len(pattern), allowed) for pattern, allowed in self.rules if _fits(pattern, target)]
        return max(fitting)[1] if fitting else True

    @classmethod
    def parse(cls, text: str, agent: str = "kinema") -> Robots:
        """Return the rules for `agent`: those of all groups that name it, else those for "*"."""
        groups: dict[str, list[tuple[str, bool]]] = {}
        delays: dict[str, float] = {}
        agents: list[str] = []
        naming = False  # several user-agent lines in a row share the rules below them
        for line in text.removeprefix("\ufeff").splitlines():
            name, colon, value = line.partition("#")[0].partition(":")
            name, value = name.strip().lower(), value.strip()
            if not colon:
                continue
            if name == "user-agent":
                agents = [*agents, value.lower()] if naming else [value.lower()]
                naming = True
                for one in agents:
                    groups.setdefault(one, [])
            elif name in ("allow", "disallow"):
                naming = False
                if value:
                    for one in agents:
                        groups[one].append((_plain(value), name == "allow"))
            elif name == "crawl-delay":
                for one in agents:
                    delays.setdefault(one, _seconds(value))
        chosen = agent.lower() if agent.lower() in groups else "*"
        return cls(tuple(groups.get(chosen, ())), delays.get(chosen) or None)


def _fits(pattern: str, target: str) -> bool:
    """Whether a pattern ("*" any characters, "$" at its end the end) fits the beginning of a target; in linear time."""
    ends = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not target.startswith(first):
        return False
    at = len(first)
    if not rest:
        return not ends or at == len(target)
    *middle, last = rest
    for part in middle:
        found = target.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    if ends:
        return target.endswith(last) and len(target) - len(last) >= at
    return target.find(last, at) >= 0


def _plain(path: str) -> str:
    """Return a path whose percent-encoding is that of every other path that means the same."""
    return quote(unquote(path), safe="/?&=*$:;,@!+~()'[]%")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if 0 < seconds < 1e6 else 0.0
