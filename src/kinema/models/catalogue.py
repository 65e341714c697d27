"""The table of all registered models, as rows, as Markdown, and inside a page between two marks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kinema.errors import DataError
from kinema.files import write_text
from kinema.models.cost import ModelCost

BEGIN = "<!-- begin of the table that `kinema models --write` makes -->"
END = "<!-- end of the table that `kinema models --write` makes -->"
COLUMNS = (
    "name", "paper", "input", "classes", "parameters", "GFLOPs", "published: parameters, GFLOPs", "stream", "export",
)  # fmt: skip
CONVENTION = (
    "GFLOPs: multiply-adds in 10^9 of one clip (a multiplication with its addition is one), of convolutions, linear and "
    "recurrent layers and attention, counted by `torch.utils.flop_counter` at the default input with default settings; "
    "parameters: all, of frozen layers too. Input: frames x height x width. Stream: what is computed, each "
    "picture once or a whole clip every so many pictures. "
    "Export: what `kinema export` writes of a model, to ONNX, OpenVINO or TorchScript."
)


def row(cost: ModelCost) -> tuple[str, ...]:
    """Return the cells of a model, in the order of `COLUMNS`."""
    spec = cost.entry.spec
    return (
        cost.name,
        cost.entry.paper,
        f"{spec.frames} x {spec.height} x {spec.width}",
        str(cost.entry.classes),
        f"{cost.parameters / 1e6:.2f} M",
        _three_digits(cost.gflops),
        _published(cost),
        _stream(cost.every),
        f"clip, {cost.exports}" if cost.exports else "clip",
    )


def markdown(costs: Iterable[ModelCost]) -> str:
    """Return the table, what its columns mean, and where each published figure stands."""
    costs = list(costs)
    cells = [COLUMNS, ("---",) * len(COLUMNS)]
    cells += [(f"`{name}`", *others) for name, *others in map(row, costs)]
    lines = [f"| {' | '.join(line)} |" for line in cells]
    return "\n".join([*lines, "", CONVENTION, "", "Sources of the published figures:", "", *_sources(costs)])


def around_table(page: Path) -> tuple[str, str]:
    """Return what stands in `page` up to the first mark, and from the second on.

    Raises `DataError` where the page or its marks are missing.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(
            f"{page}: no such file; give a page that holds the lines {BEGIN} and {END}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{page}: cannot be read as text ({error}); give a page of Markdown") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DataError(f"{page}: put the lines {BEGIN} and {END} where the table belongs")
    return before + begin, end + after


def write_table(page: Path, table: str) -> None:
    """Put `table` between the two marks of `page`, atomically; raises `DataError` as `around_table`."""
    before, after = around_table(page)
    write_text(page, f"{before}\n\n{table}\n\n{after}")


def _stream(every: int) -> str:
    if every == 0:
        return "each picture"
    return "a clip every picture" if every == 1 else f"a clip every {every}"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _published(cost: ModelCost) -> str:
    published = cost.entry.published
    if published is None:
        return "none"
    millions = "–" if published.millions is None else f"{published.millions:.4g} M"
    gflops = "–" if published.gflops is None else f"{published.gflops:g}"
    if published.clip:
        frames, side = published.clip
        gflops += f" at {frames} x {side} x {side} (ours {_three_digits(cost.published_gflops)})"
    return "none" if millions == gflops == "–" else f"{millions}, {gflops}"


def _sources(costs: Iterable[ModelCost]) -> list[str]:
    """Return a line for each source and note, with the models that it is for."""
    found: dict[str, list[str]] = {}
    for cost in costs:
        if cost.entry.published:
            note = f"; {cost.entry.published.note}" if cost.entry.published.note else ""
            found.setdefault(f"{cost.entry.published.source}{note}", []).append(f"`{cost.name}`")
    return [f"- {', '.join(names)}: {source}." for source, names in found.items()]
