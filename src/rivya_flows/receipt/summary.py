"""Summaries of a receipt: the document of ``run --json``, one sentence, lists of what to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from rivya_client.printable import one_line
from rivya_flows.plans.names import first_of, is_round, join_keys, label
from rivya_flows.questions.open_questions import utc_minute
from rivya_flows.questions.question import Candidate
from rivya_flows.queue.bought_again import bought_again_lines
from rivya_flows.receipt import questions
from rivya_flows.receipt.model import Choice, Item, Receipt, Step
from rivya_flows.receipt.phrases import credits_of, measures, pool_left
from rivya_flows.steps.judge import by_frames
from rivya_flows.steps.pick import MODES

DONE = ("completed", "cached")
"""Statuses of items that have what they were to make."""

_MAX_NAMED = 3  # failed steps that a sentence names
_MAX_CANDIDATES = 12  # of a pick; `--json` has all of them


_IN_RUN_JSON: dict[str, Any] = {
    "run_id": True,
    "status": True,
    "outputs": True,
    "failed_outputs": True,
    "credits": {"before", "after", "spent", "saved"},
    "steps": {"__all__": {"id": True, "status": True, "items": {"__all__": {
        "key", "status", "credits", "task_ids", "assets", "reason",
    }}}},
}  # fmt: skip


def run_json(receipt: Receipt, *, receipt_path: str, report_path: str) -> dict[str, JsonValue]:
    """The document that ``run --json`` prints; both paths are absolute, those of assets are copies."""
    document = receipt.model_dump(mode="json", include=_IN_RUN_JSON)
    for step in document["steps"]:
        step["items"] = [
            {name: value for name, value in item.items() if name != "reason" or value}
            for item in step["items"]
        ]
    return {**document, "receipt": receipt_path, "report": report_path}


def sentence(receipt: Receipt) -> str:
    """How the run ended, to be read after its status: "4 of 4 stills, hero, film; 21 credits, 3 saved".

    What is inside an `include` or a `repeat` is not counted. Of a failed run it names the failed steps
    first, inside ones too: "film; done: 4 of 4 stills, hero; 4 credits".
    """
    failed, parts = "", [text for text, _ in steps_done(receipt)]
    if receipt.status == "failed":
        names = [
            step.id for step in receipt.steps if step.status == "failed" and not _by_inside(step)
        ]
        names += [f"output {name}" for name in receipt.failed_outputs]
        more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
        failed = f"{', '.join(names[:_MAX_NAMED])}{more}; " if names else ""
    made = ", ".join(parts) or "nothing was made"
    if failed and parts:
        made = f"done: {made}"
    saved = f", {receipt.credits.saved} saved" if receipt.credits.saved else ""
    lost = f", {receipt.credits.lost} lost" if receipt.credits.lost else ""
    return f"{failed}{made}; {credits_of(receipt.credits.spent)}{lost}{saved}"


def steps_done(receipt: Receipt) -> Iterator[tuple[str, int]]:
    """The steps of the spec for people, ``2 of 4 stills`` or ``draft in 3 rounds``, and how many items are done."""
    rounds = Counter[str | None]()
    for step in receipt.steps:
        done = sum(item.status in DONE for item in step.items)
        rounds[step.part_of] += done > 0 and step.id.removeprefix(f"{step.part_of}.").isdigit()
        unused = is_round(step.id) or all(item.status == "skipped" for item in step.items)
        if step.part_of or (not done and (unused or len(step.items) == 1)):
            continue
        many = f" in {rounds[step.id]} rounds" if rounds[step.id] > 1 else ""
        yield f"{f'{done} of {len(step.items)} ' * (len(step.items) > 1)}{step.id}{many}", done


def _by_inside(step: Step) -> bool:
    """Whether a step failed only because one inside it did, which is named instead."""
    return {one.code for one in step.items if one.status == "failed"} == {"included"}


def full_sentence(receipt: Receipt) -> str:
    """As `sentence`; says that credits were those of the sandbox, where nothing else says so."""
    return sentence(receipt) + (" (sandbox)" if receipt.sandbox else "")


def alike(items: Iterable[tuple[Step, Item]]) -> list[list[tuple[Step, Item]]]:
    """Items of a step, or of all that is inside one, that have the same status and reason, together.

    Without those that only follow from what failed inside an `include`.
    """
    found: dict[tuple[str, str, str | None], list[tuple[Step, Item]]] = {}
    failed = set[str]()
    for step, item in items:
        follows = item.status == "skipped" and not failed.isdisjoint(step.needs)
        if step.status == "failed" or follows:
            failed.add(step.id)
        if item.code != "included" and not (follows and step.part_of):
            about = step.part_of or step.id, item.status, item.reason
            found.setdefault(about, []).append((step, item))
    return [*found.values()]


def name_alike(same: Sequence[tuple[Step, Item]]) -> str:
    """What to call items that are `alike`: the step, where all of it was skipped."""
    step, item = same[0]
    whole = item.status == "skipped" and same == [(step, one) for one in step.items]
    return step.id if whole else first_of([(one.id, of.key) for one, of in same])


def troubles(receipt: Receipt) -> list[str]:
    """A line for all items that failed or were skipped and are `alike`, for each output that failed,
    each difference in the books but the wallet's (see `notes`), and a budget that was passed.
    """
    lines = []
    reasons = [one for one in receipt.each() if one[1].status not in DONE and one[1].reason]
    with_reason = {(step.id, item.key) for step, item in reasons}
    asked = (one for one in reasons if one[1].status != "skipped" or not is_round(one[0].id))
    for same in alike(asked):
        _, item = same[0]
        lines.append(f"{name_alike(same)} {item.status}: {item.reason}")
    lines += [f"output {name} failed: {why}" for name, why in receipt.failed_outputs.items()]
    for one in receipt.agreement.differences if receipt.agreement else ():
        is_listed = one.kind == "uncertain" and (one.step, one.key) in with_reason
        if one.kind != "wallet" and not is_listed:
            lines.append(f"books: {one.words}")
    credits = receipt.credits
    if credits.budget is not None and (over := credits.spent - credits.budget) > 0:
        lines.append(
            f"{credits_of(over)} over the budget of {credits.budget};"
            " the purchase that passed it was the last"
        )
    return lines


def notes(receipt: Receipt) -> list[str]:
    """What is not wrong: a step whose last round was taken though it was not good enough, a wallet that others
    use too, and pools over their soft limits.
    """
    differences = receipt.agreement.differences if receipt.agreement else ()
    shared = [one.words for one in differences if one.kind == "wallet"]
    return [*shortfalls(receipt), *shared, *pools(receipt, soft_passed=True)]


def shortfalls(receipt: Receipt) -> list[str]:
    """A line for the steps whose last round was taken though `until` was not true, for all that a film lacks, and for
    the faults of media.
    """
    reasons = (one for one in receipt.each() if one[1].status in DONE and one[1].reason)
    return (
        [f"{name_alike(same)}: {same[0][1].reason}" for same in alike(reasons)]
        + [
            f"{label(step.id, item.key)}: lost: {one}"
            for step, item in receipt.each()
            for one in item.lost or ()
        ]
        + [
            f"{label(step.id, item.key)}: {one}"
            for step, item in receipt.each()
            for one in item.faults or ()
        ]
    )


def bought_again(receipt: Receipt) -> list[str]:
    """A line for all items of a step that were bought although an earlier run has them, for the same reason."""
    each = ((step.id, item.key, item.why) for step, item in receipt.each())
    return bought_again_lines((step, key, why) for step, key, why in each if why)


def account_line(receipt: Receipt) -> str:
    """``wallet: acme; labels: client=acme, team=film``; "" without both."""
    named = ", ".join(f"{name}={value}" for name, value in receipt.labels.items())
    facts = {"wallet": receipt.wallet, "labels": named}
    return one_line("; ".join(f"{name}: {value}" for name, value in facts.items() if value))


def pools(receipt: Receipt, *, soft_passed: bool = False) -> list[str]:
    """One line for each pool that the run was counted in; on demand those over their soft limits."""
    lines = []
    for pool in receipt.pools:
        if pool.is_soft_passed or not soft_passed:
            passed = pool.is_soft_passed * f"; its soft limit of {pool.soft} is passed"
            lines.append(f"{pool_left(pool)}{passed}")
    return lines


def films(receipt: Receipt) -> list[str]:
    """What was composed and laid out: each format, then its sound and captions."""
    lines = []
    for step, item in receipt.each():
        name = label(step.id, item.key)
        for key, one in (item.by or {}).items():
            as_format = f" {key}" if ":" in key else ""
            facts = measures(one.asset)
            if one.asset.size_bytes is not None:
                facts.append(f"{one.asset.size_bytes / 1e6:.1f} MB")
            lines.append(f"{name}{as_format}: {', '.join(facts)}")
        facts = []
        if sound := item.loudness:
            facts.append(f"{sound.lufs:.1f} LUFS, true peak {sound.true_peak:.1f} dBTP")
        if captions := item.captions:
            timing = ", estimated timing" if captions.estimated else ""
            facts.append(f"captions: {len(captions.cues)}{timing}")
        if facts:
            lines.append(f"{name}: {'; '.join(facts)}")
    return lines


def choices(
    receipt: Receipt, write_time: Callable[[datetime], str] = utc_minute, *, deployed: bool = False
) -> list[str]:
    """What each pick asks, or what was picked and by whom; then its candidates, the first ones by name.

    A suspended run that is `deployed` is answered in Prefect's pages.
    """
    lines = []
    for name, choice in receipt.choices():
        question = one_line(choice.question or "")
        if choice.waiting:
            lines.append(f"{name} waits for an answer: {question}")
            if choice.review:
                lines.append(f"  {questions.tally(choice.review, choice.round)}")
            if choice.deadline and choice.then:
                after = questions.deadline_effect(choice.then, choice.count)
                lines.append(f"  open until {write_time(choice.deadline)}; after that {after}")
            elif choice.deadline:
                until = write_time(choice.deadline)
                lines.append(f"  no one answered by {until}; an answer still counts")
        else:
            asked = f" ({question})" if question else ""
            lines.append(one_line(f"{name}: {decision(choice)}{asked}"))
        if note := questions.round_note(choice.round, choice.notes):
            lines.append(f"  {one_line(note)}")
        if choice.judge_error:
            lines.append(f"  no scores: {one_line(choice.judge_error)}")
        if choice.review:
            lines += [f"  {one_line(one)}" for one in questions.review_lines(choice.review)]
        numbered = choice.waiting and questions.are_numbered(choice.keys)
        compared = choice.waiting or choice.judge or _compares_values(choice.mode)
        candidates = choice.candidates if compared else ()
        for one in candidates[:_MAX_CANDIDATES]:
            marks = ["proposed" * one.proposed, "picked" * one.picked]
            facts = ", ".join(filter(None, [score_text(one, choice.mode), *marks]))
            reason = f": {one.reason}" if one.reason else ""
            number = f"{one.n}  " if numbered else ""
            lines.append(one_line(f"  {number}{one.key}  {facts}{reason}".rstrip()))
        if (more := len(candidates) - _MAX_CANDIDATES) > 0:
            lines.append(f"  and {more} more")
        if choice.waiting and deployed and receipt.status == "suspended":
            lines.append("  answer with Resume, in the menu of this run")
        elif choice.waiting:
            answers = {name: questions.blank_answer(choice)}
            by = " --by NAME" if choice.review and choice.review.reviewers else ""
            lines.append(f"  {questions.answering_command(receipt.run_id, answers)}{by}")
    return lines


def how_picked(choice: Choice) -> str:
    """Who or what picked: "Priya in Prefect's form, 2026-11-27 12:04 UTC"; "" while nothing is picked."""
    if not choice.picked:
        return ""
    if choice.review and not (choice.by and choice.by.channel in ("deadline", "fork")):
        named = [one.by for one in choice.review.of_round(choice.round) if one.answer == "approve"]
        return " and ".join(
            f"{one.name or 'a reviewer'} {questions.CHANNELS[one.channel]}" for one in named
        )
    if (by := choice.by) is None:
        mode = MODES[choice.mode]
        if mode.decides == "judge":
            judge = choice.judge
            name = f"the judge {judge.model}" if judge and judge.model else "the judge"
            return f"{name}, {by_frames(judge.frames)}" if judge and judge.frames else name
        return mode.chosen
    if by.channel == "deadline":
        many = len(choice.picked)
        what = "the first was" if many == 1 else f"the first {many} were"
        if choice.on_timeout == "judge":
            what = "what the judge proposed was"
        if choice.review:
            return "the deadline: no one asked for changes"
        return f"the deadline: no one answered, so {what} taken"
    if by.channel == "fork":
        return f"{by.name}, which this run forks"
    who = f"{by.name or 'a person'} {questions.CHANNELS[by.channel]}"
    return f"{who}, {utc_minute(by.at.astimezone(UTC))}" if by.at else who


def manner(choice: Choice) -> str:
    """``picked by Priya in Prefect's form``, ``picked as the first``; "" while nothing is picked."""
    who = how_picked(choice)
    if choice.review:
        return who and f"approved by {who}"
    alone = None if choice.by else MODES[choice.mode].manner
    return who and f"picked {alone or f'by {who}'}"


def decision(choice: Choice) -> str:
    """``neon, picked by Priya in Prefect's form``, or that nothing is picked."""
    if choice.review:
        return manner(choice) or "not approved"
    if not choice.picked:
        return "nothing is picked"
    return ", ".join(filter(None, (join_keys(choice.picked), manner(choice))))


def score_text(candidate: Candidate, mode: str = "judge") -> str:
    """``8.5 of 10``; the value alone in a mode with values; "" without one."""
    if candidate.score is None:
        return ""
    return f"{candidate.score:g}" if _compares_values(mode) else f"{candidate.score:g} of 10"


def _compares_values(mode: str) -> bool:
    return mode in MODES and MODES[mode].needs == "by"


def is_owed(receipt: Receipt) -> bool:
    """Whether a failed item has a paid purchase that a resume may still collect for free."""
    newest = {(row.step, row.key): row.status for row in receipt.ledger}
    return any(
        newest.get((step.id, item.key)) in ("intended", "accepted", "succeeded")
        for step, item in receipt.each()
        if item.status == "failed"
    )


def failure_codes(receipt: Receipt) -> set[str]:
    """Codes of all items that failed or were skipped."""
    return {item.code for _, item in receipt.each() if item.code}
