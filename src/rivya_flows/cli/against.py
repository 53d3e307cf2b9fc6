"""`plan --against`: what specs cost before and now, for people, programs, and a comment in a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_client.catalogue.prices import price_range
from rivya_flows import markdown
from rivya_flows.cli.failures import CREDITS, WRONG, problems_found
from rivya_flows.cli.output import print_json, print_table, show, show_markdown, tell, tell_problem
from rivya_flows.cli.session import catalogue_of
from rivya_flows.language.wording import count_noun

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.preparation.against import Comparison, Pair, SpecChange

MARKER = "<!-- rivya-flows plan --against -->"
"""Begins the comment, so that a workflow finds it again."""

_MOST_ROWS, _MOST_CHARACTERS = 60, 60_000
"""Of a comment; GitHub takes 65,536 characters."""


def percent(text: str) -> Decimal:
    """A share such as ``20%``."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?) ?%", text)
    if found is None:
        raise click.BadParameter(f"{text!r:.60} is not a share; write 20%.")
    return Decimal(found[1])


def show_against(
    specs: tuple[Path, ...],
    against: str,
    assignments: tuple[str, ...],
    form: str,
    most: int | None,
    increase: Decimal | None,
) -> int:
    """Prints what specs cost before and now; gives the exit code."""
    from rivya_flows.preparation.against import Limits, compare

    limits = Limits(most, increase)
    found = compare(specs, against, assignments, limits, catalogue_of(live=False))
    wrong = [problem for one in found.specs for problem in one.wrong]
    if form == "json":
        print_json(document(found))
    elif form == "markdown":
        show_markdown(_first_lines(comment(found)))
    else:
        _show(found)
    for problem in wrong if form != "json" else ():
        tell_problem(problem)
    if wrong:
        tell(f"error: {problems_found(len(wrong))}", fg="red")
        return WRONG
    return CREDITS if any(one.refusals for one in found.specs) else 0


def document(found: Comparison) -> dict[str, object]:
    """What ``--format json`` prints."""
    return {
        "against": found.against,
        "commit": found.commit,
        "catalogue": found.catalogue.date,
        "ok": not any(one.refusals or one.wrong for one in found.specs),
        "specs": [one.as_json() for one in found.specs],
    }


def _show(found: Comparison) -> None:
    rows = []
    for one in found.specs:
        rows.append([one.file, *_cells(one.prices), _difference(one), _models(one)])
        rows += [[f"  {name}", *_cells(pair), _growth(pair), ""] for name, pair in _steps(one)]
    print_table(["spec", ">before", ">now", ">change", ""], rows)
    for one in found.specs:
        for line in _remarks(one):
            show(f"{one.file}: {line}", fg="red" if line in one.refusals else None)


def comment(found: Comparison) -> Iterator[str]:
    """The lines of a comment; nothing that a spec or a path says becomes markup, a link or a mention."""
    changed = [one for one in found.specs if one.word != "same"]
    total = count_noun(len(found.specs), "spec")
    since = _name(found.against) + (f" ({found.commit[:8]})" if found.commit else "")
    yield MARKER
    if changed:
        yield f"**The price of {len(changed)} of {total} changes** since {since}."
    else:
        yield f"**No price of {total} changes** since {since}."
    listed = [one for one in found.specs if one in changed or one.refusals]
    if listed:
        rows = [[_name(one.file), *_cells(one.prices), _difference(one)] for one in listed]
        yield from _table(["spec", "credits before", "now", "change"], rows)
    remarks = [(one.file, line) for one in listed for line in _remarks(one)]
    if remarks:
        yield from ("", *(f"- {_name(file)}: {_plain(line)}" for file, line in remarks))
    steps: list[Sequence[object]] = []
    for one in listed:
        of = _name(one.file)
        steps += [[of, _name(name), *_cells(pair), _growth(pair)] for name, pair in _steps(one)]
        steps += [[of, "models", "", "", models] for models in [_models(one)] if models]
    if steps:
        yield from ("", "<details><summary>Steps and models</summary>")
        yield from _table(["spec", "step", "before", "now", "change"], steps)
        yield from ("", "</details>")
    yield from ("", f"Prices of the catalogue of {found.catalogue.date}. Nothing was bought.")


def _first_lines(lines: Iterable[str]) -> Iterator[str]:
    left = _MOST_CHARACTERS
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            yield "…"
            return
        yield line


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    numbers = range(len(head) - 3, len(head))
    yield from ("", *markdown.table(head, rows[:_MOST_ROWS], right=numbers).split("\n"))
    if len(rows) > _MOST_ROWS:
        yield from ("", f"And {len(rows) - _MOST_ROWS} more.")


def _name(name: str) -> markdown.Marked:
    """A name as code if it is plain; a pipe in it would end its cell."""
    plain = re.fullmatch(r"[\w./~^@{}-]{1,80}", name, re.ASCII)
    return markdown.Marked(f"`{name}`") if plain else _plain(name, 80)


def _plain(text: str, longest: int = markdown.LONGEST_TEXT) -> markdown.Marked:
    """Also without links to issues such as ``#12``."""
    return markdown.Marked(markdown.text(text, longest).replace("#", "#\u2060"))


def _cells(pair: Pair) -> list[str]:
    return ["–" if one is None else price_range(one.min, one.max) for one in pair]


def _difference(one: SpecChange) -> str:
    return _growth(one.prices) if one.word in ("changed", "same") else one.word


def _growth(pair: Pair) -> str:
    """``+12 (+50 %)`` of the most, or of the least where the most is the same or not known."""
    old, new = pair
    if old is None or new is None:
        return "new" if old is None else "gone"
    if None in (old.max, new.max) or old.max == new.max:
        word, before, now = "least ", old.min, new.min
    else:
        word, before, now = "", old.max or 0, new.max or 0
    if before == now:
        return "" if old == new else "no bound" if new.max is None else "bounded"
    share = f" ({(now - before) * 100 / before:+.0f} %)" if before else ""
    return f"{word}{now - before:+d}{share}"


def _steps(one: SpecChange) -> list[tuple[str, Pair]]:
    """The steps whose price changes, without those that cost nothing; of a spec whose prices are known."""
    if one.word in ("gone", "unknown"):
        return []
    return [
        (name, pair)
        for name, pair in one.steps.items()
        if pair[0] != pair[1] and any(price and price.max != 0 for price in pair)
    ]


def _models(one: SpecChange) -> str:
    named = zip(("new", "gone"), one.models if one.word == "changed" else ([], []), strict=True)
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in named if names)


def _remarks(one: SpecChange) -> Iterator[str]:
    """Why a price is not known, or not agreed."""
    for when, side in (("before, it had", one.old), ("it has", one.new)):
        if side is not None and side.problems:
            what = count_noun(len(side.problems), "mistake")
            yield f"{when} {'no price' if side.lacks_inputs else what}: {side.problems[0].sentence}"
    yield from one.refusals
