"""`review`: links with which people outside answer a question of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rivya_flows.cli import options
from rivya_flows.cli.layout import until
from rivya_flows.cli.options import argument, command, option
from rivya_flows.cli.output import print_json, print_table, show, tell
from rivya_flows.cli.session import settings

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from pydantic import JsonValue

    from rivya_flows.runs.links import AddressedLink


@command(
    "review RUN --for legal --for brand",
    "review RUN sign_off --for legal --expires 24h --replace",
    "review RUN --for legal --revoke",
)
def review(
    named: str = options.RUN,
    step: str | None = argument(metavar="[STEP]"),
    reviewers: tuple[str, ...] = option(
        "Who answers with the link; may be given more than once. Left out, all that a review names.",
        "--for",
        metavar="NAME",
    ),
    expires: str = option(
        "How long the links are valid: 72h, 7d, at most 90d.", default="72h", show_default=True
    ),
    by: str | None = option("Who asks, for the page; left out, your user name.", metavar="NAME"),
    replace: bool = option("End earlier links of the same question and person."),
    revoke: bool = option("End links: all of the run, or those of STEP or of --for."),
    lists: bool = option("List the links of the run instead of making one.", "--list"),
    as_json: bool = options.JSON,
) -> None:
    """Print a link for each person who shall answer a question of a run.

    RUN is its id, its folder, or `last`: the run in which something happened last. STEP is a pick or
    a review, or STEP[KEY]; left out, the one that asks. Who has a link sees the media of that question
    and answers it in a browser, without a password, until the link expires or is revoked.
    """
    if revoke and lists:
        raise click.UsageError("--revoke and --list exclude each other.")
    from rivya_flows.environment import user
    from rivya_flows.runs.links import LinksWanted, list_links, make_links, revoke_links

    name = by if by is not None else user()
    wanted = LinksWanted(named, step, reviewers, options.age(expires), name, replace)
    work = revoke_links if revoke else list_links if lists else make_links
    found = work(settings(), wanted, tell)
    if as_json:
        listed = [_document(one, more=lists or revoke) for one in found.links]
        print_json({"run_id": found.run_id, "links": listed})
    elif not found.links:
        make = f"make one with: rivya-flows review {found.run_id} --for NAME"
        none = "such link" if step or reviewers else "links"
        tell(f"{found.run_id} has no {'link to end' if revoke else f'{none}; {make}'}")
    elif lists or revoke:
        print_table(["question", "for", "state", "link"], [*map(_row, found.links)])
    else:
        for one in found.links:
            about = f"{one.link.label} for {one.link.reviewer}"
            show(f"{about}, until {until(one.link.expires_at)}:", f"  {one.url}")
        tell("anyone who has a link can answer with it; end it with --revoke")


def _row(one: AddressedLink) -> list[str]:
    ended = one.link.revoked_at
    state = f"until {until(one.link.expires_at)}" if ended is None else f"revoked, {until(ended)}"
    return [one.link.label, one.link.reviewer, state, one.url or "–"]


def _document(one: AddressedLink, *, more: bool) -> dict[str, JsonValue]:
    link = one.link
    found: dict[str, JsonValue] = {
        "step": link.label,
        "for": link.reviewer,
        "url": one.url,
        "expires_at": link.expires_at.isoformat(),
    }
    if more:
        found["created_by"] = link.created_by
        found["created_at"] = link.created_at.isoformat()
        found["revoked_at"] = None if link.revoked_at is None else link.revoked_at.isoformat()
    return found
