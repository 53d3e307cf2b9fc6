"""Links with which reviewers outside answer a question of a run: make, list and revoke them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rivya_client.hosts import host_in
from rivya_flows.engine.publishing import receiver_url
from rivya_flows.errors import UsageError
from rivya_flows.language.diagnostic_report import suggest
from rivya_flows.plans.names import label
from rivya_flows.questions.open_questions import open_questions
from rivya_flows.questions.question import BUDGET, Question
from rivya_flows.questions.reading_answers import signature
from rivya_flows.queue.queue import replay
from rivya_flows.queue.state import State
from rivya_flows.receiver.addresses import SECRET_NAME, review_address
from rivya_flows.runs.lookup import find_run, open_journal, which
from rivya_flows.settings import Settings
from rivya_flows.store import links
from rivya_flows.store.journal import Journal
from rivya_flows.store.links import Link
from rivya_flows.store.secrets import shared_secret

LONGEST = timedelta(days=90)
MOST_ACTIVE = 200
"""Links of a run that are active at once."""

_HERE = ("127.0.0.1", "localhost", "::1")
_NAMED = re.compile(r"([^\[]+)\[(.+)\]", re.DOTALL)


@dataclass(frozen=True)
class AddressedLink:
    """A link with its address; `url` is None of one that has ended, and without a receiver."""

    link: Link
    url: str | None


@dataclass(frozen=True)
class Links:
    """Links of a run."""

    run_id: str
    links: Sequence[AddressedLink]


@dataclass(frozen=True)
class LinksWanted:
    """What is asked about the links of a run.

    Attributes:
        step: A step, or ``step[key]``; None: the only one that asks people.
        reviewers: Whom they are for; none: those that a review names.
        replaces: End earlier links of the same question and reviewer.
    """

    run: str
    step: str | None = None
    reviewers: Sequence[str] = ()
    expires: timedelta = timedelta(hours=72)
    created_by: str | None = None
    replaces: bool = False


def make_links(settings: Settings, wanted: LinksWanted, notify: Callable[[str], object]) -> Links:
    """Makes a link for each reviewer to a question, which may be asked later."""
    if not timedelta() < wanted.expires <= LONGEST:
        raise UsageError("--expires: a link is valid for an hour to 90 days", "write --expires 72h")
    url = receiver_url(settings, settings.prefect_api_url)
    if url is None:
        raise UsageError(
            "no receiver runs that could show the page of a link",
            "start one with `rivya-flows up`, or `rivya-flows webhooks listen`; for people elsewhere set"
            " RIVYA_FLOWS_PUBLIC_URL to the https address that leads to it",
        )
    with open_journal(settings) as journal:
        run_id, state = _find(journal, wanted.run, notify)
        step, key = _question(state, wanted.step)
        reviewers = _reviewers(state, step, key, wanted.reviewers)
        now = datetime.now(UTC)
        active = sum(one.is_active(now) for one in links.links_of(journal.engine, run_id))
        if active + len(reviewers) > MOST_ACTIVE:
            raise UsageError(
                f"{run_id} has {active} active links, and may have {MOST_ACTIVE}",
                f"end some with: rivya-flows review {run_id} --revoke",
            )
        by, until = signature(wanted.created_by), now + wanted.expires
        made = links.create(
            journal.engine, run_id, (step, key), reviewers, by, now, until, replaces=wanted.replaces
        )
        if host_in(url) in _HERE:
            notify(
                "only this machine reaches them: RIVYA_FLOWS_PUBLIC_URL names an address for others"
            )
        return _with_addresses(journal, run_id, made, url)


def list_links(settings: Settings, wanted: LinksWanted, notify: Callable[[str], object]) -> Links:
    """All links of a run, or those of a question or of reviewers."""
    url = receiver_url(settings, settings.prefect_api_url)
    with open_journal(settings) as journal:
        run_id, state = _find(journal, wanted.run, notify)
        return _with_addresses(journal, run_id, _matching(journal, run_id, state, wanted), url)


def revoke_links(settings: Settings, wanted: LinksWanted, notify: Callable[[str], object]) -> Links:
    """Ends the active links of a run, or those of a question or of reviewers; gives them."""
    now = datetime.now(UTC)
    with open_journal(settings) as journal:
        run_id, state = _find(journal, wanted.run, notify)
        ending = [one for one in _matching(journal, run_id, state, wanted) if one.is_active(now)]
        links.revoke(journal.engine, [one.id for one in ending], now)
        ended = {one.id for one in ending}
        found = [one for one in links.links_of(journal.engine, run_id) if one.id in ended]
        return _with_addresses(journal, run_id, found, None)


def _find(journal: Journal, name: str, notify: Callable[[str], object]) -> tuple[str, State]:
    row = find_run(journal, name)
    for line in which(name, row):
        notify(line)
    return row.run_id, replay(entry.event for entry in journal.entries(row.run_id))


def _matching(journal: Journal, run_id: str, state: State, wanted: LinksWanted) -> Sequence[Link]:
    question = None if wanted.step is None else _question(state, wanted.step)
    names = {one.casefold() for one in wanted.reviewers}
    return [
        one
        for one in links.links_of(journal.engine, run_id)
        if question in (None, (one.step, one.key))
        and (not names or one.reviewer.casefold() in names)
    ]


def _with_addresses(journal: Journal, run_id: str, found: Sequence[Link], url: str | None) -> Links:
    secret, now = shared_secret(journal.engine, SECRET_NAME), datetime.now(UTC)

    def address(one: Link) -> str | None:
        return review_address(url, secret, one) if url and one.is_active(now) else None

    return Links(run_id, [AddressedLink(one, address(one)) for one in found])


def _question(state: State, name: str | None) -> tuple[str, str]:
    """The step and key of a question that people are asked, now or later."""
    asking = {
        step: planned
        for step, planned in state.plan.steps.items()
        if (planned.pick or planned.review) and planned.round_of is None
    }
    asked = [one for one in open_questions(state) if one.step != BUDGET]
    if name is None:
        names = [one.label for one in asked] or [*asking]
        if len(names) != 1:
            hint = (
                f"name one of: {', '.join(names)}" if names else "the run has no pick and no review"
            )
            raise UsageError("say which question the link is for", hint)
        name = names[0]
    for question in asked:
        if question.label == name:
            return question.step, question.key
    match = _NAMED.fullmatch(name)
    step, key = (match[1], match[2]) if match else (name, "")
    items = state.steps[step].items if step in asking else {}
    if step not in asking or (items and key not in items):
        known = [label(one, key) for one in asking for key in state.steps[one].items or ("",)]
        raise UsageError(
            f"the run does not ask about {name!r}",
            suggest(name, known) or "the run has no pick and no review",
        )
    return step, key


def _reviewers(state: State, step: str, key: str, given: Sequence[str]) -> Sequence[str]:
    """The names that links are for, as a review spells them."""
    asked: Question | None = next(
        (one for one in open_questions(state) if (one.step, one.key) == (step, key)), None
    )
    review = state.plan.steps[step].review
    written = review.reviewers if review else None
    named = asked.reviewers if asked else written if isinstance(written, list | tuple) else ()
    known = {str(one).casefold(): str(one) for one in named}
    names = [*filter(None, map(signature, given))] or [*known.values()]
    if not names:
        raise UsageError(f"say whom the link to {label(step, key)} is for", "write --for NAME")
    for one in names:
        if known and one.casefold() not in known and not any("${{" in name for name in known):
            raise UsageError(
                f"{label(step, key)} is not for {one!r}", f"it is for {', '.join(known.values())}"
            )
    return [*dict.fromkeys(known.get(one.casefold(), one) for one in names)]
