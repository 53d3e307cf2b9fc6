"""`insights`: what is worth its credits."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from rivya_flows.cli import options
from rivya_flows.cli.money import default_service, place_name, unknown_labels, wanted_labels
from rivya_flows.cli.options import command, end_moment, moment, option
from rivya_flows.cli.output import print_json, print_table, show, show_verbatim, tell
from rivya_flows.cli.session import settings
from rivya_flows.errors import UsageError
from rivya_flows.language.wording import count_noun
from rivya_flows.receipt.phrases import credits_of

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.money.insights import Insights, Share

_FACTS = ("model", "brand", "prompt")


@command()
def insights(
    by: str = option(
        "model, brand, prompt (its first words) or label:NAME.",
        default="model",
        show_default=True,
        metavar="NAME",
    ),
    since: datetime | None = option("Bought since: 30d, 2026-11-01.", type=moment, metavar="WHEN"),
    until: datetime | None = option(
        "Bought before; a date counts whole.", type=end_moment, metavar="WHEN"
    ),
    labels: tuple[str, ...] = options.FILTER,
    service: str | None = option("Bought there; `sandbox` for pretend credits.", metavar="URL"),
    as_csv: bool = option("Print CSV.", "--csv"),
    as_json: bool = options.JSON,
) -> None:
    """Show what is worth its credits: what was picked, refused, lost, and the price of what was accepted.

    Each share has an interval that holds the true one nine times in ten; of fewer than 5 there is none.
    Credits of the sandbox are pretend and never added to real ones.
    """
    if by not in _FACTS and not by.removeprefix("label:") < by:
        hint = f"write --by {', '.join(_FACTS)} or label:NAME"
        raise UsageError(f"--by {by!r:.60}: not what insights are grouped by", hint)
    if as_csv and as_json:
        raise UsageError("--csv and --json contradict each other", "give one of them")
    if since and until and since >= until:
        raise UsageError("--since is not before --until", "give an earlier --since")
    from rivya_flows.money.insights import read_insights

    wanted, chosen = wanted_labels(labels), settings()
    start, end = (None if at is None else at.timestamp() for at in (since, until))
    place = default_service(service, chosen)
    with read_insights(
        chosen.store_url, by, since=start, until=end, service=place, labels=wanted, notify=tell
    ) as (found, unread, journal):
        unknown = () if found.rows else unknown_labels(journal, wanted)
    if as_json:
        rows = [{"of": group, **asdict(one)} for group, one in found.rows.items()]
        print_json(
            {
                "service": found.service,
                "by": found.by,
                "rows": rows,
                "total": asdict(found.total),
                "elsewhere": found.elsewhere,
                "unread": unread,
                "since": since and since.isoformat(),
                "until": until and until.isoformat(),
            }
        )
    elif as_csv:
        show_verbatim(found.as_csv().splitlines())
    else:
        _print(found)
        tell(*unknown)
    for run_id in unread if not as_json else ():
        tell(f"note: the journal of {run_id} cannot be read: only its credits count")


def _print(found: Insights) -> None:
    if found.rows:
        name = found.by.removeprefix("label:")
        rows = {group: one for group, one in found.rows.items() if one.credits or one.offered}
        print_table(
            [name, ">credits", ">accepted", ">each", ">offered", ">picked", ">refused"],
            [
                [
                    group,
                    str(one.credits),
                    str(one.accepted or ""),
                    "-" if one.each is None else f"{one.each:g}",
                    str(one.offered or ""),
                    _share(one.picked),
                    _share(one.refused),
                ]
                for group, one in rows.items()
            ],
        )
        show("")
        print_table(
            [name, ">ended", ">failed", ">lost", ">credits lost", ">judged", ">agreed"],
            [
                [
                    group,
                    str(one.ended or ""),
                    _share(one.failed),
                    _share(one.lost),
                    str(one.credits_lost or ""),
                    str(one.judged or ""),
                    _share(one.agreed),
                ]
                for group, one in found.rows.items()
                if one.ended or one.judged
            ],
        )
        show("")
    total = found.total
    lost = f", {total.credits_lost} of them lost" if total.credits_lost else ""
    each = lost + ("" if total.each is None else f", {total.each:g} for one that was accepted")
    spent = f"{credits_of(total.credits)} for {count_noun(total.purchases, 'purchase')}"
    show(f"total: {spent} at {place_name(found.service)}{each}")
    for name, credits in found.elsewhere.items():
        show(f"not counted: {credits_of(credits)} at {place_name(name)}; see `--service {name}`")


def _share(found: Share | None) -> str:
    """``31% 24-39``: the share, and its interval."""
    if found is None:
        return "-"
    return f"{found.share:.0%} {100 * found.low:.0f}-{100 * found.high:.0f}"
