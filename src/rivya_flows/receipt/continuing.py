"""What continues a run that did not complete, by its receipt."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rivya_client.catalogue.prices import price_of
from rivya_flows.markdown import code, text
from rivya_flows.plans.names import label, short_label
from rivya_flows.receipt.model import Item, Receipt
from rivya_flows.receipt.summary import is_owed

_FEW = 3  # failed jobs of a step that are named one by one

NO_CREDITS = frozenset({"over_budget", "insufficient_credits"})
"""Codes of purchases that a budget, a pool or the wallet did not cover."""

_KEY_REFUSED = {"api_scope_denied", "api_key_invalid", "api_key_revoked", "api_key_expired"}

_REFUSED = {
    "validation_failed": "the service refused the request as wrong",
    "content_refused": "a filter of the service refused the content",
    "not_found": "the service did not find something that the request names",
    "chat_model_not_supported": "the service does not offer this model for chat",
    "chat_attachment_not_supported": "the service does not take this attachment",
    "webhook_url_rejected": "the service does not deliver to this address",
}
"""Codes of a request that the service refuses again as it stands, in words."""

_REASONS = _REFUSED | {
    "insufficient_credits": "the wallet had too few credits",
    "over_budget": "the budget did not cover it",
    "over_step_budget": "the budget of its step did not cover it",
    "job_failed": "the service took the job, and the job failed",
    "quality_failed": "the media were paid, and refused for their faults",
    "job_status_unknown": "the service ended the job with a status that is not known",
    "unexpected_answer": "the model did not answer in the form that the step expects",
    "uncertain": "no answer arrived, so it is not known whether the service took the request",
    "unanswered": "no one answered in time",
    "connection": "the service could not be reached",
    "rate_limited": "the service had too many requests",
    "public_api_disabled": "the service is switched off at the moment",
    "internal_error": "the service had an error of its own",
    "api_scope_denied": "the key may not do this",
    "media": "a file could not be used",
}

BOUGHT_AGAIN = ("job_failed", "job_status_unknown", "unexpected_answer", "quality_failed")
"""Codes of items that only ``resume --regenerate`` buys again."""


@dataclass(frozen=True)
class Continuation:
    """The next command for a run that did not complete, in a sentence from `advice` to `more`.

    Attributes:
        retry: What *Retry* in Prefect's pages does instead; "" where it does the same.
    """

    advice: str
    command: str
    retry: str = ""
    more: str = ""

    def __str__(self) -> str:
        return f"{self.advice}: {self.command}{self.more}"

    @property
    def markdown(self) -> str:
        return f"{text(self.advice)}: {code(self.command)}{text(self.more)}"


def next_step(receipt: Receipt, *, deployed: bool) -> Continuation | None:
    """What a person does next about a run, `deployed` with Prefect's buttons; None if it completed."""
    menu = ", in the menu of the run, "
    if receipt.status == "completed":
        return None
    found = continuation(receipt)
    if receipt.status == "suspended":
        return replace(found, advice=f"answer with Resume{menu}or") if deployed else found
    if deployed and found.retry:
        return replace(found, more=f"; Retry{menu}{found.retry}")
    bought = "" if found.retry else "; nothing is bought twice"
    button = f"continue it with Retry{menu}or" if deployed else found.advice
    return replace(found, advice=button, more=bought)


def next_command(receipt: Receipt, asked: Sequence[str]) -> str | None:
    """The command that continues a run; None if it completed and nothing is owed.

    `asked` are the open questions, by their labels: ANSWER stands for what a person decides.
    """
    if receipt.status == "completed":
        return resume_command(receipt.run_id) if is_owed(receipt) else None
    answers = (f" --answer {shlex.quote(f'{label}=ANSWER')}" for label in asked)
    return (
        resume_command(receipt.run_id) + "".join(answers)
        if asked
        else continuation(receipt).command
    )


def resume_command(run_id: str) -> str:
    """The command that continues a run."""
    return f"rivya-flows resume {shlex.quote(run_id)}"


def continuation(receipt: Receipt) -> Continuation:
    """The command that continues a run that did not complete, also one that was killed."""
    resume = resume_command(receipt.run_id)
    if receipt.status == "suspended":
        return Continuation("answer with", resume)  # which asks
    file = receipt.spec.file
    again = f"rivya-flows fork {shlex.quote(receipt.run_id)} --spec {shlex.quote(file)}"
    then = "then fork the run, which takes what it has paid for"
    ended = any(step.status in ("failed", "cancelled") for step in receipt.steps)
    if receipt.failed_outputs and not ended:  # all steps are done, and an output is wrong
        return Continuation(f"mend the output in {file}, {then}", again, "ends the same way")
    codes = {str(item.code) for _, item in receipt.each() if item.status == "failed"}
    refused = codes & {*_REFUSED, "bad_arguments"}
    where = f"{file}, or its input with -i NAME=VALUE" if receipt.inputs else file
    if refused and refused == codes:
        if codes == {"content_refused"}:
            advice = f"the same prompt is refused again: change it in {where}, {then}"
            return Continuation(advice, again, "buys no failed job again")
        advice = f"the same request is refused again: mend {where}, {then}"
        return Continuation(advice, again, "sends the same request again")
    options = resume_options(receipt)
    retry = "continues it without these options" if options else ""
    if "--regenerate" in options:
        retry = "buys no failed job again"
    advice = f"resume{_price_of_rest(receipt)} with"
    if "insufficient_credits" in codes:
        lacking = (receipt.credits.needed or 0) - (receipt.credits.after or 0)
        number = f"at least {lacking} " if lacking > 0 else ""
        advice = f"add {number}credit{'s' * (lacking != 1)} first, then {advice}"
        retry = retry or "continues it once they are there"
    if of_key := codes & _KEY_REFUSED:
        key = "a key with that scope" if "api_scope_denied" in of_key else "a new key"
        advice = f"set RIVYA_API_KEY to {key} first, then {advice}"
        retry = retry or "fails again until the worker has that key"
    command = f"{resume}{options}"
    more = ""
    if lost := _items_with(receipt, {"download"}):
        options = "".join(f" --regenerate {shlex.quote(name)}" for name in lost[:_FEW])
        more = f"; where results are gone for good, buy them again: {command}{options}"
    if faulty := _items_with(receipt, {"quality_failed"}):
        named = faulty if len(faulty) <= _FEW else ["STEP"]
        options = "".join(f" --accept {shlex.quote(name)}" for name in named)
        more += f"; where a person finds the media good, use them for nothing: {resume}{options}"
    if refused:
        name, *rest = _items_with(receipt, refused)
        name += f" and {len(rest)} more" if rest else ""
        more += f"; {name}: refused again as it stands: mend {where}, {then}: {again}"
    return Continuation(advice, command, retry, more)


def _items_with(receipt: Receipt, codes: Collection[str]) -> list[str]:
    """The items that failed with one of these codes."""
    return [label(step.id, item.key) for step, item in receipt.each() if item.code in codes]


def _price_of_rest(receipt: Receipt) -> str:
    """``, which buys film again for 13 credits,``; "" where nothing is bought or the price is not known."""
    failed = [
        (step.id, item.key)
        for step, item in receipt.each()
        if item.code in BOUGHT_AGAIN and receipt.status != "cancelled"
    ]
    credits = receipt.credits
    least, most = credits.needed, credits.left
    if least is None or most == 0:
        return ""
    if not failed and any(item.code == "insufficient_credits" for _, item in receipt.each()):
        return ""  # how many credits to add says it
    if not failed:
        what = "what is left"
    else:
        what = short_label(*failed[0]) if len(failed) == 1 else f"{len(failed)} failed jobs"
        lacking = sum(item.status in ("failed", "skipped") for _, item in receipt.each())
        what += " again and all that follows" if lacking > len(failed) else " again"
    price = price_of(least, most)
    if most is None:  # as the budget of that command counts: by what the service has charged
        least = max(least, (credits.enough or 0) - credits.spent)
        price = f"at least {price_of(least, least)}"
    return f", which buys {what} for {price},"


def plain_reason(item: Item) -> str:
    """Why an item failed, without codes; "" where only its reason tells."""
    code = item.code or ""
    if code.startswith("api_key_"):
        return "the service did not accept the key"
    return _REASONS.get(code, "")


def resume_options(receipt: Receipt) -> str:
    """The options that a resume needs to get further; a cancelled run does without its failed jobs."""
    options = ""
    cancelled = receipt.status == "cancelled"
    for step in receipt.steps:
        codes = [item.code for item in step.items]
        alike = not {"job_status_unknown", "content_refused"}.intersection(codes)
        of_step = alike and codes.count("job_failed") > _FEW
        if of_step and not cancelled:
            options += f" --regenerate {step.id}"
        for item in step.items:
            name = shlex.quote(label(step.id, item.key))
            if item.code in BOUGHT_AGAIN:
                options += "" if of_step or cancelled else f" --regenerate {name}"
            elif item.code == "uncertain":
                options += f" --resubmit {name}"
            elif item.code == "over_budget" and "--budget" not in options:
                # Another budget of the run changes nothing of a pool.
                options += "" if item.pool else f" --budget {receipt.credits.enough or 'N'}"
    return options
