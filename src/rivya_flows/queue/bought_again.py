"""Why an item is bought although an earlier run of its spec has one: the first difference of two requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from rivya_client.printable import one_line
from rivya_flows.assets import Outputs, assets_in
from rivya_flows.language.expressions.output_types import Unknown, has_unknown
from rivya_flows.language.expressions.values import ExpressionError, UsesNull
from rivya_flows.language.syntax.media_references import is_url
from rivya_flows.language.wording import an, cut, preview
from rivya_flows.plans.names import first_of, label, short_label
from rivya_flows.plans.plan import RunPlan, steps_in
from rivya_flows.queue.events import Why
from rivya_flows.queue.forks import given_by, is_made_again
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.queue import wanted_media
from rivya_flows.queue.state import State
from rivya_flows.steps.request import ItemRequest, Medium

_NAMED = ("model", "prompt", "message", "params")
"""The arguments that are compared first, and whose values are named: a receipt has these anyway."""

_MOST_LINES = 12
_LONGEST_EXCERPT = 40
_LONGEST_TEXT = 400
_LONGEST_LEAD = 20  # what an excerpt has of a word before the character that differs
_MOST_COMPARED = 20_000  # characters that are looked at for an excerpt


Sent = Callable[[ItemState], Mapping[str, Any]]
"""As of `sent_by`."""


class _Bought(NamedTuple):
    """What a run has: the request as written, what it gave, and whether that is of a fallback."""

    request: ItemRequest
    outputs: Outputs
    fell_back: bool


@dataclass(frozen=True)
class EarlierRun:
    """What is compared of a run that is in the store."""

    run_id: str
    service: str
    wallet: str | None
    plan: RunPlan
    bought: Mapping[tuple[str, str], _Bought]

    @classmethod
    def of(cls, state: State) -> EarlierRun:
        bought = {
            (step_id, item.key): _Bought(item.requests[0], outputs, alternative > 0)
            for step_id, item in state.each()
            for outputs, alternative in [given_by(item)]
            if outputs is not None and item.requests and item.requests[0].buys
        }
        return cls(state.run_id, state.service, state.wallet, state.plan, bought)


def why_bought_again(
    state: State, step_id: str, item: ItemState, earlier: EarlierRun, sent: Sent | None = None
) -> Why | None:
    """Why an item is bought; None if the earlier run has none, or what differs is not known yet.

    `sent` gives the known arguments of an item that waits for other steps.
    """
    before = earlier.bought.get((step_id, item.key))
    if before is None:
        return None
    found = _other_seller(state, step_id, item, earlier)
    if found is None:
        differing = _differing(state, step_id, item, before.request, sent)
        if differing is not None:
            found = _reason_of(state, step_id, item, differing, earlier)
        elif item.requests:
            found = _of_equal(state, step_id, item, before, earlier.run_id)
    if found is None:
        return None
    what, text = found
    return Why(run_id=earlier.run_id, what=cut(what), text=cut(text, _LONGEST_TEXT))


def bought_again_lines(items: Iterable[tuple[str, str, Why]]) -> list[str]:
    """A line for all items of a step, given by step and key, that are bought for the same reason."""
    alike: dict[tuple[str, str], list[tuple[str, str, Why]]] = {}
    for step_id, key, why in items:
        alike.setdefault((step_id, why.what), []).append((step_id, key, why))
    lines = []
    for same in islice(alike.values(), _MOST_LINES):
        names, why = [(step_id, key) for step_id, key, _ in same], same[0][2]
        are = "are" if len(same) > 1 else "is"
        lines.append(one_line(f"{first_of(names)} {are} bought again: {why.text}"))
    if (more := len(alike) - _MOST_LINES) > 0:
        lines.append(f"and {more} more reasons, which `--json` has")
    return lines


_Found = tuple[str, str]
"""What differs, and the text that says it."""


def _other_seller(
    state: State, step_id: str, item: ItemState, earlier: EarlierRun
) -> _Found | None:
    """Whether the fork asks for another try, or another service or wallet sells it."""
    if state.fork and state.fork.step in (step_id, label(step_id, item.key)):
        return "from", f"--from {state.fork.step} asks for it"
    if state.service != earlier.service:
        return "service", f"{earlier.run_id} bought it from another service"
    if state.wallet != earlier.wallet:
        wallet = f"the wallet {earlier.wallet}" if earlier.wallet else "another wallet"
        return "wallet", f"{earlier.run_id} bought it with {wallet}"
    return None


def _of_equal(state: State, step_id: str, item: ItemState, before: _Bought, run_id: str) -> _Found:
    """Why an equal request of the earlier run gave nothing."""
    request = item.requests[0]
    if request.request_hash != before.request.request_hash:
        return "request", f"its request differs from {run_id}"
    if not request.request_hash:
        return "url", "it uses a medium by its URL, whose content may change"
    if state.fork and is_made_again(label(step_id, item.key), state.again):
        return "from", f"--from {state.fork.step} asks for all that depends on it"
    if faults := wanted_media(state, step_id, request).reasons_to_refuse(before.outputs):
        return "quality", f"`quality` refuses the media of {run_id} ({faults[0].text})"
    if before.fell_back:
        return "fallback", f"a fallback made the one of {run_id}"
    if item.asked_cache:
        return "store", f"the store lacks the result of {run_id}, or its media"
    if request.is_function:
        return "cache", f"only a fork of {run_id} takes the results of its functions"
    mode = state.cache_mode(step_id)
    return "cache", f"{run_id} has an equal one, and `cache: {mode}` takes none of other runs"


# --- What differs between two requests ---


class _Difference(NamedTuple):
    what: str
    before: Any
    now: Any


def _differing(
    state: State, step_id: str, item: ItemState, before: ItemRequest, sent: Sent | None
) -> _Difference | None:
    """The first difference in the order of `_NAMED`, then of the kind's arguments, then of files."""
    planned, uploads = state.planned_step(step_id), before.uploads
    was: dict[str, Any] = {**before.arguments, "model": before.model}
    now: dict[str, Any] = dict.fromkeys(was, Unknown())
    if item.requests:
        request = item.requests[0]
        now, uploads = {**request.arguments, "model": request.model}, request.uploads
    elif sent is not None:
        with suppress(UsesNull, ExpressionError):
            now |= sent(item)
    for name in dict.fromkeys((*_NAMED, *now, *was)):
        for found in _differences(name, was.get(name), now.get(name)):
            return found
    # A file beside the spec has the same path as before, whatever is in it.
    if [one.source for one in uploads] != [one.source for one in before.uploads]:
        places = [one.path for one in planned.kind.files(now)]
        for path, old, new in zip(places, before.uploads, uploads, strict=False):
            if old.source != new.source:
                return _Difference("".join([str(path[0]), *(f"[{n}]" for n in path[1:])]), old, new)
    return None


def _differences(what: str, before: Any, now: Any, media: bool = True) -> Iterator[_Difference]:
    """What differs, as far as it is known; of a map with media only these, whose addresses differ in each run.

    `media` is False inside a map that has none.
    """
    if isinstance(now, Unknown):
        return
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        each = (before, now) if media else ()
        hashes = [[one.sha256 for one in assets_in(value)] for value in each]
        if any(hashes):
            if hashes[0] != hashes[1] and not has_unknown(now):
                yield _Difference(what, before, now)
            return
        for name in dict.fromkeys((*now, *before)):
            yield from _differences(f"{what}.{name}", before.get(name), now.get(name), False)
    elif isinstance(before, list | tuple) and isinstance(now, list | tuple):
        for index, (one, other) in enumerate(zip(before, now, strict=False)):
            yield from _differences(f"{what}[{index}]", one, other, media)
        if len(before) != len(now):
            yield _Difference(what, before, now)
    elif before != now and not has_unknown(now):
        yield _Difference(what, before, now)


def _reason_of(
    state: State, step_id: str, item: ItemState, found: _Difference, earlier: EarlierRun
) -> _Found:
    what, before, now = found
    if media := [one.media for one in [now] if isinstance(one, Medium)]:
        return what, f"{what} is {an(media[0])} that {earlier.run_id} did not have"
    if media := [one.kind for one in assets_in(now)]:
        source = _maker(state, step_id, item, what)
        return what, f"{what} is {an(media[0])} that {earlier.run_id} did not have{source}"
    begin = f"its {what} differs from {earlier.run_id}"
    if what == "prompt" and (both := _brand_texts(state, step_id, item, found, earlier)):
        what, (before, now) = "brand", both
        begin = f"the words of the brand differ from {earlier.run_id}"
    elif what.split(".")[0] not in _NAMED or is_url(str(before)) or is_url(str(now)):
        return what, begin
    if isinstance(before, str) and isinstance(now, str):
        return what, f"{begin} ({_excerpts(before[:_MOST_COMPARED], now[:_MOST_COMPARED])})"
    return what, f"{begin} ({preview(before)} → {preview(now)})"


def _brand_texts(
    state: State, step_id: str, item: ItemState, prompts: _Difference, earlier: EarlierRun
) -> tuple[str, str] | None:
    """What both brands add, if the prompts differ in nothing else."""
    model = state.plan.catalogue.get(earlier.bought[step_id, item.key].request.model or "")
    plans, texts = (earlier.plan, state.plan), (prompts.before, prompts.now)
    if model is None or not all(isinstance(text, str) for text in texts):
        return None
    each = [plan.world_of(plan.steps[step_id]).branding for plan in plans]
    before, now = (branding.words_for(model, wanted=True) for branding in each)
    own = [
        text.removesuffix(added).rstrip(" ,")
        for text, added in zip(texts, (before, now), strict=True)
    ]
    return (before, now) if before != now and own[0] == own[1] else None


def _excerpts(before: str, now: str) -> str:
    """Both texts, if they are long from the word in which they begin to differ."""
    pairs = enumerate(zip(before, now, strict=False))
    differs = next((n for n, (old, new) in pairs if old != new), min(len(before), len(now)))
    begin = max(before.rfind(" ", 0, differs) + 1, differs - _LONGEST_LEAD)
    if max(len(before), len(now)) <= _LONGEST_EXCERPT:
        begin = 0
    lead = "…" if begin else ""
    parts = (cut(lead + text[begin:], _LONGEST_EXCERPT) for text in (before, now))
    return " → ".join(f'"{one_line(part)}"' for part in parts)


def _maker(state: State, step_id: str, item: ItemState, what: str) -> str:
    """The step that gives a medium, with the key of the item that this one follows."""
    planned = state.planned_step(step_id)
    written = getattr(planned.step.with_, what.partition("[")[0].partition(".")[0], None)
    makers = steps_in(state.plan.space_of(planned), written) & planned.upstream
    if len(makers) != 1:
        return ""
    [maker] = makers
    follows = maker == planned.itemwise or maker in planned.same
    key = item.key if follows and item.key in state.steps[maker].items else ""
    return f", from {short_label(maker, key)}"
