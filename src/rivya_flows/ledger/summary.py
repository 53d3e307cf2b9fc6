"""Summaries of a receipt: the document of ``run --json``, one sentence, a list of problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rivya_flows.ledger.phrases import credits_of, pool_left
from rivya_flows.planning.names import first_of, is_round, label
from rivya_flows.planning.questions.choice_phrases import (
    answering_command,
    are_numbered,
    blank_answer,
    deadline_words,
    decision,
    moment_of,
    round_note,
    score_words,
)
from rivya_flows.planning.questions.open_questions import utc_minute
from rivya_flows.planning.queue.events import PoolTotal
from rivya_flows.printable import one_line

_MAX_NAMED = 3  # failed steps that a sentence names
_MAX_CANDIDATES = 12  # of a pick; `--json` has all of them


def run_json(receipt: Mapping[str, Any], *, receipt_path: str, report_path: str) -> dict[str, Any]:
    """The document that ``run --json`` prints; both paths are absolute, those of assets are copies."""
    credits = receipt["credits"]
    return {
        "run_id": receipt["run_id"],
        "status": receipt["status"],
        "outputs": receipt["outputs"],
        "failed_outputs": receipt.get("failed_outputs", {}),
        "credits": {name: credits[name] for name in ("before", "after", "spent", "saved")},
        "steps": [
            {
                "id": step["id"],
                "status": step["status"],
                "items": [
                    {
                        name: item[name]
                        for name in ("key", "status", "credits", "task_ids", "assets")
                    }
                    | ({"reason": item["reason"]} if item["reason"] else {})
                    for item in step["items"]
                ],
            }
            for step in receipt["steps"]
        ],
        "receipt": receipt_path,
        "report": report_path,
    }


def sentence(receipt: Mapping[str, Any]) -> str:
    """How the run ended, to be read after its status: "4 of 4 stills, hero, film; 21 credits, 3 saved".

    Of a failed run it names the failed steps first: "film; done: 4 of 4 stills, hero; 4 credits".
    """
    parts = []
    for step in receipt["steps"]:
        done = sum(item["status"] in ("completed", "cached") for item in step["items"])
        total = len(step["items"])
        if is_round(step["id"]) and not done:
            continue
        if total > 1:
            parts.append(f"{done} of {total} {step['id']}")
        elif done:
            parts.append(step["id"])
    credits = receipt["credits"]
    failed = _failed(receipt)
    made = ", ".join(parts) or "nothing was made"
    if failed and parts:
        made = f"done: {made}"
    saved = f", {credits['saved']} saved" if credits["saved"] else ""
    return f"{failed}{made}; {credits_of(credits['spent'])}{saved}"


def told(receipt: Mapping[str, Any]) -> str:
    """As `sentence`, where nothing else says that the credits were those of the sandbox."""
    return sentence(receipt) + (" (sandbox)" if receipt["sandbox"] else "")


def _failed(receipt: Mapping[str, Any]) -> str:
    """The failed steps and outputs of a failed run, the first ones by name."""
    if receipt["status"] != "failed":
        return ""
    steps = [step["id"] for step in receipt["steps"] if step["status"] == "failed"]
    steps += [f"output {name}" for name in receipt.get("failed_outputs", ())]
    more = f" and {len(steps) - _MAX_NAMED} more" if len(steps) > _MAX_NAMED else ""
    return f"{', '.join(steps[:_MAX_NAMED])}{more}; " if steps else ""


def troubles(receipt: Mapping[str, Any]) -> list[str]:
    """One line for each item that failed or was skipped (one for all of a step with the same reason), each
    output that failed, and each difference in the books; and one for a budget that was passed, in the
    words of the plan.

    Not for the wallet, see `notes`.
    """
    lines, listed = [], set[tuple[str, str]]()
    for step in receipt["steps"]:
        alike: dict[tuple[str, str], list[str]] = {}
        for item in step["items"]:
            if item["status"] in ("completed", "cached") or not item["reason"]:
                continue
            listed.add((step["id"], item["key"]))
            if is_round(step["id"]) and item["status"] == "skipped":
                continue
            alike.setdefault((item["status"], item["reason"]), []).append(item["key"])
        for (status, reason), keys in alike.items():
            lines.append(f"{first_of(step['id'], keys)} {status}: {reason}")
    failed = receipt.get("failed_outputs", {}).items()
    lines += [f"output {name} failed: {reason}" for name, reason in failed]
    agreement = receipt.get("agreement") or {"differences": []}
    for one in agreement["differences"]:
        with_item = one["kind"] == "uncertain" and (one["step"], one["key"]) in listed
        if one["kind"] != "wallet" and not with_item:
            lines.append(f"books: {one['words']}")
    credits = receipt.get("credits") or {}
    if credits.get("budget") is not None and (over := credits["spent"] - credits["budget"]) > 0:
        passed = "the purchase that passed it was the last"
        lines.append(f"{credits_of(over)} over the budget of {credits['budget']}; {passed}")
    return lines


def notes(receipt: Mapping[str, Any]) -> list[str]:
    """What is not wrong: a wallet that others use too, such as Studio and other stores, and pools over
    their soft limits.
    """
    agreement = receipt.get("agreement") or {"differences": []}
    shared = [one["words"] for one in agreement["differences"] if one["kind"] == "wallet"]
    return [*shared, *pools(receipt, soft_passed=True)]


def account_line(receipt: Mapping[str, Any]) -> str:
    """``wallet: acme; labels: client=acme, team=film``; "" without both."""
    named = ", ".join(f"{name}={value}" for name, value in receipt.get("labels", {}).items())
    words = {"wallet": receipt.get("wallet"), "labels": named}
    return one_line("; ".join(f"{name}: {value}" for name, value in words.items() if value))


def pools(receipt: Mapping[str, Any], *, soft_passed: bool = False) -> list[str]:
    """One line for each pool that the run was counted in; on demand those over their soft limits."""
    lines = []
    for document in receipt.get("pools", ()):
        pool = PoolTotal.model_validate(document)
        over = pool.soft is not None and pool.spent > pool.soft
        if over or not soft_passed:
            passed = f"; its soft limit of {pool.soft} is passed" if over else ""
            lines.append(f"{pool_left(pool)}{passed}")
    return lines


def films(receipt: Mapping[str, Any]) -> list[str]:
    """What was composed and laid out: each format, then its sound, captions and lost metadata."""
    lines = []
    for step in receipt["steps"]:
        for item in step["items"]:
            name = f"{step['id']}[{item['key']}]" if item["key"] else step["id"]
            for key, one in (item.get("by") or {}).items():
                as_format = f" {key}" if ":" in key else ""
                lines.append(f"{name}{as_format}: {_medium(one['asset'])}")
            if facts := film_facts(item):
                lines.append(f"{name}: {'; '.join(facts)}")
            lines += [f"{name}: lost: {one}" for one in item.get("lost") or ()]
    return lines


def choices(receipt: Mapping[str, Any], shown: Callable[[datetime], str] = utc_minute) -> list[str]:
    """What each pick asks, or what was picked and by whom; then its candidates, the first ones by name.

    Args:
        receipt: Of a run.
        shown: Words of a deadline.
    """
    lines = []
    for name, choice in chosen(receipt):
        question = one_line(choice["question"] or "")
        if choice["waiting"]:
            lines.append(f"{name} waits for an answer: {question}")
            at, then = moment_of(choice["deadline"]), choice["then"]
            if at and then:
                after = deadline_words(then, choice["count"])
                lines.append(f"  open until {shown(at)}; after that {after}")
            elif at:
                lines.append(f"  nobody answered by {shown(at)}; an answer still counts")
        else:
            asked = f" ({question})" if question else ""
            lines.append(one_line(f"{name}: {decision(choice)}{asked}"))
        if said := round_note(choice["round"], choice["notes"]):
            lines.append(f"  {one_line(said)}")
        if choice["judge_error"]:
            lines.append(f"  no scores: {one_line(choice['judge_error'])}")
        keys = [one["key"] for one in choice["candidates"]]
        numbered = choice["waiting"] and are_numbered(keys)
        compared = choice["waiting"] or choice["judge"] or choice["mode"] == "best"
        candidates = choice["candidates"] if compared else []
        for one in candidates[:_MAX_CANDIDATES]:
            said = ", ".join(candidate_facts(one, choice["mode"]))
            reason = f": {one['reason']}" if one["reason"] else ""
            number = f"{one['n']}  " if numbered else ""
            lines.append(one_line(f"  {number}{one['key']}  {said}{reason}".rstrip()))
        if (more := len(candidates) - _MAX_CANDIDATES) > 0:
            lines.append(f"  and {more} more")
        if choice["waiting"]:
            answers = {name: blank_answer(keys, choice["count"])}
            lines.append(f"  {answering_command(receipt['run_id'], answers)}")
    return lines


def chosen(receipt: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each pick whose candidates are known: its name, and its choice."""
    for step in receipt["steps"]:
        for item in step["items"]:
            if choice := item.get("choice"):
                yield label(step["id"], item["key"]), choice


def candidate_facts(candidate: Mapping[str, Any], mode: str) -> list[str]:
    """``["8.5 of 10", "proposed", "picked"]``, as far as they hold."""
    facts = [score_words(candidate, mode)]
    facts += [word for word in ("proposed", "picked") if candidate[word]]
    return [one for one in facts if one]


def film_facts(item: Mapping[str, Any]) -> list[str]:
    """The loudness and the captions of an item that was composed."""
    facts = []
    if sound := item.get("loudness"):
        facts.append(f"{sound['lufs']:.1f} LUFS, true peak {sound['true_peak']:.1f} dBTP")
    if captions := item.get("captions"):
        timing = ", estimated timing" if captions["estimated"] else ""
        facts.append(f"captions: {len(captions['cues'])}{timing}")
    return facts


def _medium(asset: Mapping[str, Any]) -> str:
    parts = [f"{asset.get('width')} × {asset.get('height')}"]
    if asset.get("duration_seconds") is not None:
        parts.append(f"{asset['duration_seconds']:.1f} s")
    if asset.get("size_bytes") is not None:
        parts.append(f"{asset['size_bytes'] / 1e6:.1f} MB")
    return ", ".join(parts)


def is_owed(receipt: Mapping[str, Any]) -> bool:
    """Whether a failed item has a paid purchase that a resume may still collect for free."""
    newest = {(row["step"], row["key"]): row["status"] for row in receipt["ledger"]}
    failed = [
        (step["id"], item["key"])
        for step in receipt["steps"]
        for item in step["items"]
        if item["status"] == "failed"
    ]
    return any(newest.get(one) in ("intended", "accepted", "succeeded") for one in failed)


def failure_codes(receipt: Mapping[str, Any]) -> set[str]:
    """Codes of all items that failed or were skipped."""
    return {item["code"] for step in receipt["steps"] for item in step["items"] if item["code"]}
