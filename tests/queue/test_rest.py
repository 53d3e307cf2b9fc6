"""What is left is priced again once a list became known: it fits budget and pools as a whole, or the run stops."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rivya_flows.queue import queue
from rivya_flows.queue.actions import Action, Buy, ReadBalance
from rivya_flows.queue.events import BalanceRead, ChatAnswered, Event, ItemFailed, PurchaseIntended
from support.naive_service import NaiveService, Rehearsal, frozen, priced

EXPECT = "expect: {places: [{name: string, film: boolean}], mood: string}"
SPEC = f"""
version: 1
name: places
budget: {{credits: BUDGET, on_unfit: EXCEED}}
steps:
  idea: {{uses: chat, with: {{model: gpt-5-2-chat, message: places, {EXPECT}}}}}
  music:
    uses: generate
    with: {{model: z-image, prompt: "a cover, ${{{{ steps.idea.json.mood }}}}"}}
  stills:
    uses: generate
    foreach: ${{{{ steps.idea.json.places }}}}
    allow_failures: ALLOWED
    with: {{model: z-image, prompt: "${{{{ item.name }}}}"}}
  films:
    uses: generate
    foreach: ${{{{ steps.stills.items }}}}
    as: still
    CONDITION
    with: {{model: veo3-1-lite, prompt: push, references: ["${{{{ still.asset }}}}"]}}
  extras:
    uses: generate
    foreach: ${{{{ steps.idea.json.places }}}}
    if: ${{{{ item.film }}}}
    with: {{model: nano-banana, prompt: "${{{{ item.name }}}} again"}}
  poster:
    uses: generate
    with: {{model: nano-banana, prompt: all, references: "${{{{ steps.stills.assets }}}}"}}
"""


@dataclass
class Scripted(NaiveService):
    """A service whose chat names these places."""

    places: list[Any] = field(default_factory=list)
    mood: str = "calm"

    def answer(self, buy: Buy) -> tuple[str, str]:
        return "s_1", json.dumps({"places": self.places, "mood": self.mood})


def places(count: int, films: int = 0) -> list[Any]:
    return [{"name": f"place {n}", "film": n < films} for n in range(count)]


def spec(
    budget: int = 9_999, *, exceed: str = "fail", allowed: int = 0, condition: str = ""
) -> str:
    text = SPEC.replace("BUDGET", str(budget)).replace("EXCEED", exceed)
    return text.replace("ALLOWED", str(allowed)).replace("CONDITION", condition)


def played(text: str, service: Scripted, order: random.Random | None = None) -> Rehearsal:
    return Rehearsal(frozen(text), service).execute(order)


def total(count: int, films: int = 0) -> int:
    """Chat, music, stills, films, extras and poster at their prices."""
    return played(spec(), Scripted(places=places(count, films))).state.spent


def stopped(text: str, code: str, **service: Any) -> tuple[Rehearsal, int, str]:
    """A run of four places that fails behind its list, what it lacks, and why it buys no still."""
    run = played(text, Scripted(places=places(4), **service))
    assert (run.state.ended, run.bought, run.asked) == ("failed", ["idea"], [])
    assert {item.code for item in run.items("stills")} == {code}
    left, reason = total(4) - run.state.spent, str(run.item("stills", "0").reason)
    words = f"not bought: all that is left needs at least {left} credits; "
    assert reason.startswith(words)
    return run, left, reason.removeprefix(words)


def completed_once(run: Rehearsal, needed: int, **wish: Any) -> None:
    run.execute(**wish)
    assert (run.state.ended, run.state.spent) == ("completed", needed)
    assert run.bought.count("idea") == 1


def test_a_run_that_cannot_be_finished_buys_nothing_after_its_list() -> None:
    run, _, why = stopped(spec(total(4) - 1), "over_budget")
    assert why.startswith("the budget of")
    run.execute()
    assert run.bought == ["idea"]
    completed_once(run, total(4), budget=total(4))


def test_a_run_whose_pool_cannot_finish_it_buys_nothing_after_its_list() -> None:
    run, left, why = stopped(spec(), "over_budget", pool=total(4) - 1)
    assert why == f"the pool acme has {left - 1} left until 2026-12-01"
    assert run.item("stills", "0").pool == "acme"
    run.service.pool = total(4)
    completed_once(run, total(4))


@pytest.mark.parametrize("exceed", ["fail", "pause"])
def test_a_run_whose_wallet_cannot_finish_it_buys_nothing_after_its_list(exceed: str) -> None:
    text = spec(exceed=exceed)
    run, left, why = stopped(text, "insufficient_credits", wallet=total(4) - 1)
    assert why == f"the wallet has {left - 1}: add credits, then resume"
    run.service.wallet = total(4)
    completed_once(run, total(4))


@pytest.mark.parametrize("answer", ["yes", "no"])
@pytest.mark.parametrize("limit", ["budget", "pool"])
def test_a_run_that_pauses_asks_before_it_buys_what_is_left(limit: str, answer: str) -> None:
    needed = total(4)
    budget, pool = (9_999, needed - 1) if limit == "pool" else (needed - 1, None)
    run = played(spec(budget, exceed="pause"), Scripted(places=places(4), pool=pool))
    assert run.bought == ["idea"]
    spent = run.state.spent
    left = needed - spent
    [question] = run.asked[-1].questions
    if limit == "budget":
        assert question.text.endswith(f"Raise the budget to {needed}?")
    else:
        assert question.text == (
            f"The pool acme has {left - 1} credits left until 2026-12-01. All that is left needs at least "
            f"{left}. `rivya-flows budgets set acme --credits N` raises it. Try again?"
        )
        run.service.pool = needed if answer == "yes" else pool
    run.answer(question.step, answer, question.key)
    run.run()
    expected = ("completed", needed) if answer == "yes" else ("failed", spent)
    assert (run.state.ended, run.state.spent) == expected


@pytest.mark.parametrize("limit", ["budget", "pool", "wallet"])
def test_what_just_covers_a_run_buys_it_in_any_order(limit: str) -> None:
    needed = total(4, 2)
    for seed in range(1 if limit == "budget" else 8):
        limits: dict[str, Any] = {} if limit == "budget" else {limit: needed}
        text = spec(needed if limit == "budget" else 9_999)
        run = played(text, Scripted(places=places(4, 2), **limits), random.Random(seed))
        assert (run.state.ended, run.state.spent) == ("completed", needed), seed


def test_credits_that_others_add_or_take_count_as_of_the_last_balance_before_the_step() -> None:
    for short, others, ended in ((-1, 5, "completed"), (1, -5, "failed")):
        run = Rehearsal(frozen(spec()), Scripted(places=places(4), wallet=total(4) + short))
        run.take_up()
        run.until(ChatAnswered)
        run.service.wallet += others
        run.run()
        assert run.state.ended == ended
        assert (run.bought == ["idea"]) == (ended == "failed")


def test_a_balance_that_is_not_told_stops_nothing() -> None:
    class Silent(Rehearsal):
        def _carry_out(self, action: Action) -> Generator[Event]:
            if isinstance(action, ReadBalance):
                yield BalanceRead(step=action.step, phase=action.phase, credits=None)
            else:
                yield from super()._carry_out(action)

    run = Silent(frozen(spec()), Scripted(places=places(4), wallet=0)).execute()
    assert run.state.ended == "completed"


def test_a_pool_is_asked_for_all_that_is_left_once() -> None:
    needed = total(4, 2)
    run = played(spec().replace("budget:", "#"), Scripted(places=places(4, 2), pool=needed))
    assert (run.state.ended, run.state.spent) == ("completed", needed)
    idea, *others = run.events(PurchaseIntended)
    assert [one.rest for one in others if one.rest] == [needed - idea.reserve]


TWO_LISTS = f"""
version: 1
name: places
steps:
  first: {{uses: chat, with: {{model: gpt-5-2-chat, message: places, {EXPECT}}}}}
  second: {{uses: chat, with: {{model: gpt-5-2-chat, message: more, {EXPECT}}}}}
  stills:
    uses: generate
    foreach: ${{{{ steps.first.json.places }}}}
    with: {{model: z-image, prompt: "${{{{ item.name }}}}"}}
  extras:
    uses: generate
    foreach: ${{{{ steps.second.json.places }}}}
    with: {{model: nano-banana, prompt: "${{{{ item.name }}}}"}}
"""


def test_a_list_that_becomes_known_as_a_pool_is_asked_for_another_is_asked_for_too() -> None:
    needed = played(TWO_LISTS, Scripted(places=places(4))).state.spent
    seen = 0
    for seed in range(60):
        service = Scripted(places=places(4), pool=needed - 1)
        run = played(TWO_LISTS, service, random.Random(seed))
        answers = [at for at, one in enumerate(run.journal) if isinstance(one, ChatAnswered)]
        after = [one for one in run.journal[answers[-1] :] if isinstance(one, PurchaseIntended)]
        if after and after[0].rest is not None:  # asked for before the second list was known
            seen += 1
            assert (run.state.ended, len(after)) == ("failed", 1), seed
        if seen == 4:
            break
    assert seen


class Slotless(Rehearsal):
    """An engine without a slot for the purchases of the step `others`, which write no intent."""

    def _carry_out(self, action: Action) -> Generator[Event]:
        if not isinstance(action, Buy) or action.step != "others":
            yield from super()._carry_out(action)


def test_a_new_list_waits_for_no_purchase_but_the_one_that_asks_the_pools() -> None:
    others = "steps:\n  others: {uses: generate, foreach: [a, b, c], with: {model: nano-banana, prompt: x}}\n"
    text = spec().replace("budget:", "#").replace("steps:\n", others)
    run = Slotless(frozen(text), Scripted(places=places(3))).execute()
    assert Counter(run.bought) == {"idea": 1, "music": 1, "stills": 3, "films": 3, "poster": 1}
    assert run.state.tally.committed > run.state.spent
    intents = run.events(PurchaseIntended)
    [asked] = [one for one in intents[:2] if one.rest]
    whole = played(text, Scripted(places=places(3))).state.spent
    assert asked.rest == whole - sum(one.reserve for one in intents[: intents.index(asked)])


def test_a_purchase_that_fails_before_its_intent_holds_nothing() -> None:
    run = Rehearsal(frozen(spec()), Scripted(places=places(2)))
    run.take_up()
    while run.state.tally.committed == run.state.spent:
        run.advance(0)
    run.feed(ItemFailed(step="idea", key="", code="x", message="it did not begin"))
    assert run.state.tally.committed == run.state.spent == 0


_MOOD = "steps.idea.json.mood"


@pytest.mark.parametrize("part", range(2))
def test_no_run_is_stopped_that_would_complete_and_none_that_cannot_buys_on(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = 0
    for seed in range(part * 25, part * 25 + 25):
        chance = random.Random(seed)
        count, budget = chance.randrange(0, 5), chance.randrange(3, 90)
        of_pool = chance.random() < 0.5
        allowed, failing = chance.choice([0, 0, 2]), chance.choice([0, 0, 0.4])
        condition = chance.choice(["", "", f"if: ${{{{ {_MOOD} != 'dull' }}}}"])
        null = chance.random() < 0.3
        text = spec(9_999 if of_pool else budget, allowed=allowed, condition=condition)
        if null:
            text = text.replace(f'{_MOOD} }}}}"', f"{_MOOD} if {_MOOD} != 'dull' else none }}}}\"")
        given: dict[str, Any] = {
            "places": places(count, chance.randrange(0, count + 1)),
            "mood": chance.choice(["calm", "dull"]),
            "seed": seed,
            "failing": failing,
            "pool": budget if of_pool else None,
        }
        with monkeypatch.context() as unchecked:
            unchecked.setattr(queue, "Rest", lambda **_: None)
            plain = played(text, Scripted(**given), random.Random(seed))
        checked = played(text, Scripted(**given), random.Random(seed))
        if plain.state.ended == "completed":
            assert checked.state.ended == "completed", seed
            assert checked.state.spent == plain.state.spent
        assert checked.state.spent <= plain.state.spent
        stopped += len(checked.bought) < len(plain.bought)
        if not (allowed or failing or condition or null):
            free = text.replace(f"credits: {budget}", "credits: 9999")
            whole = played(free, Scripted(**{**given, "pool": None}))
            fits = whole.state.spent <= budget
            assert checked.bought == ["idea"] or fits, seed
            assert (checked.state.ended == "completed") is (
                whole.state.ended == "completed" and fits
            )
    assert stopped


SKIPPING = f"""
version: 1
name: places
budget: {{credits: 5}}
steps:
  idea: {{uses: chat, with: {{model: gpt-5-2-chat, message: places, {EXPECT}}}}}
  cover:
    uses: generate
    if: ${{{{ steps.idea.json.mood != 'calm' }}}}
    with: {{model: z-image, prompt: a cover}}
  covers:
    uses: generate
    foreach: [a, b]
    if: ${{{{ steps.idea.json.mood != 'calm' }}}}
    with: {{model: z-image, prompt: "${{{{ item }}}}"}}
  stills:
    uses: generate
    foreach: ${{{{ steps.idea.json.places }}}}
    with: {{model: z-image, prompt: "${{{{ item.name }}}}"}}
  film:
    uses: generate
    FOREACH
    with: {{model: veo3-1-lite, prompt: PROMPT, references: ["REFERENCE", "${{{{ steps.stills.items[0].asset }}}}"]}}
"""
COVER = "${{ steps.cover.asset }}"


def skipping(reference: str = COVER, foreach: str = "#", prompt: str = "push") -> str:
    text = SKIPPING.replace("REFERENCE", reference).replace("PROMPT", prompt)
    return text.replace("FOREACH", foreach)


@pytest.mark.parametrize(
    ("reference", "foreach", "prompt"),
    [
        (COVER, "#", "push"),
        ("${{ steps.covers.items[1].asset }}", "#", "push"),
        ("${{ cover.asset }}", "foreach: '${{ steps.covers.items }}'\n    as: cover", "push"),
        ("${{ steps.stills.items[0].asset }}", "#", "'${{ steps.cover.task_id }}'"),
    ],
)
def test_what_a_step_that_was_skipped_leaves_out_is_no_part_of_the_rest(
    reference: str, foreach: str, prompt: str
) -> None:
    run = played(skipping(reference, foreach, prompt), Scripted(places=places(1)))
    assert (run.state.ended, run.bought) == ("completed", ["idea", "stills"])


def test_a_plan_needs_at_least_what_no_condition_before_it_spares() -> None:
    found = priced(frozen(skipping()))
    assert (found.min, found.fit) == (0, "may_exceed")
    [film] = found.steps[-1].items
    assert film.price.assumption == "only if cover is made"


def test_what_follows_a_step_that_failed_is_no_part_of_the_rest() -> None:
    text = skipping().replace("a cover", "'${{ steps.idea.json.places[5].name }}'")
    run = played(text.replace("!= 'calm'", "== 'calm'", 1), Scripted(places=places(1)))
    assert run.item("cover").code == "bad_arguments"
    assert run.bought == ["idea", "stills"]


def test_a_run_that_goes_on_buys_what_fits_of_a_list_that_cannot_be_finished() -> None:
    run = played(spec(total(4) - 1, exceed="go_on"), Scripted(places=places(4)))
    assert run.state.ended == "failed"
    assert Counter(run.bought) == {"idea": 1, "music": 1, "stills": 4, "films": 4}
    assert run.item("poster").code == "over_budget"


LATE = f"""
version: 1
name: places
budget: {{credits: BUDGET}}
inputs: {{styles: {{type: list, of: string, default: [day, night]}}}}
steps:
  idea: {{uses: chat, with: {{model: gpt-5-2-chat, message: places, {EXPECT}}}}}
  stills:
    uses: generate
    foreach: ${{{{ steps.idea.json.places }}}}
    max_items: 6
    with: {{model: z-image, prompt: "${{{{ item.name }}}}"}}
  films:
    uses: generate
    LOOP
    with: {{model: veo3-1-lite, prompt: "push USED", references: ["${{{{ steps.stills.assets[0] }}}}"]}}
"""
ITEMS = "${{ steps.stills.items }}"


@pytest.mark.parametrize(
    ("loop", "used", "films", "most"),
    [
        (f"foreach: '{ITEMS}'", "", 4, 6),
        (f"foreach: '{ITEMS}'\n    key: '${{{{ item.key }}}}'", "${{ item.key }}", 4, 6),
        ("foreach: '${{ steps.stills.items[1:3] }}'", "${{ item.key }}", 2, 2),
        ("foreach: '${{ steps.stills.items[1:] }}'", "${{ item.key }}", 3, 5),
        (f"matrix: {{still: '{ITEMS}', n: [1, 2]}}", "${{ matrix.still.key }}", 8, 12),
        (
            f"matrix: {{still: '{ITEMS}', style: '${{{{ inputs.styles }}}}'}}",
            "${{ matrix.style }}",
            8,
            12,
        ),
        (f"zip: {{still: '{ITEMS}', n: '{ITEMS}'}}", "${{ zip.n.key }}", 4, 6),
        ("foreach: '${{ steps.stills.assets }}'\n    max_items: 9", "", 0, 9),
    ],
)
def test_items_that_follow_a_list_that_only_the_run_knows_count_before_its_first_purchase(
    loop: str, used: str, films: int, most: int
) -> None:
    text = LATE.replace("LOOP", loop).replace("USED", used)
    free = text.replace("BUDGET", "9999")
    plan = priced(frozen(free))
    [of_films] = plan.steps[-1].items
    assert (of_films.price.min, of_films.price.max) == (0, 10 * most)
    needed = 3 + 4 + 10 * (films or 4)
    run = played(free, Scripted(places=places(4)))
    assert (run.state.ended, run.state.spent) == ("completed", needed)
    short = text.replace("BUDGET", str(needed - 1))
    assert priced(frozen(short)).fit == "may_exceed"
    run = played(short, Scripted(places=places(4)))
    assert run.state.ended == "failed"
    assert (set(run.bought) == {"idea"}) == bool(films)


@pytest.mark.parametrize("loop", ["matrix", "zip"])
def test_a_fan_out_that_only_the_run_knows_fails_with_more_than_its_max_items(loop: str) -> None:
    written = f"{loop}: {{still: '{ITEMS}'}}\n    max_items: 3"
    text = LATE.replace("LOOP", written).replace("USED", "").replace("BUDGET", "99")
    run = played(text, Scripted(places=places(4)))
    assert run.state.steps["films"].status == "failed"
    assert str(run.item("films").reason).startswith("4 items, but max_items is 3")
    followed = text.replace(f"{loop}: {{still: '{ITEMS}'}}", f"foreach: '{ITEMS}'")
    run = played(followed, Scripted(places=places(4)))
    assert str(run.item("films").reason).startswith("4 items, but max_items is 3")


CAMPAIGNS = f"""
version: 1
name: places
budget: {{credits: BUDGET}}
steps:
  idea: {{uses: chat, with: {{model: gpt-5-2-chat, message: places, {EXPECT}}}}}
  market:
    uses: include
    foreach: ${{{{ steps.idea.json.places }}}}
    allow_failures: ALLOWED
    with: {{spec: market.yaml, inputs: {{name: "${{{{ item.name if item.film else none }}}}"}}}}
"""
MARKET = """
version: 1
name: market
inputs: {name: {type: string}, styles: {type: list, of: string, default: [day, night]}}
steps:
  stills:
    uses: generate
    foreach: ${{ inputs.styles }}
    with: {model: z-image, prompt: "${{ inputs.name }}, ${{ item }}"}
  films:
    uses: generate
    foreach: ${{ steps.stills.items }}
    with: {model: veo3-1-lite, prompt: "push ${{ item.key }}", references: ["${{ item.asset }}"]}
  poster: {uses: generate, needs: [films], with: {model: nano-banana, prompt: "${{ inputs.name }}"}}
"""


@pytest.mark.parametrize("films", [4, 2])
def test_what_follows_inside_campaigns_of_a_new_list_is_part_of_the_rest(films: int) -> None:
    def of(budget: int, seed: int = 0, allowed: int = 0) -> Rehearsal:
        text = CAMPAIGNS.replace("BUDGET", str(budget)).replace("ALLOWED", str(allowed))
        start = frozen(text, includes={"market.yaml": MARKET})
        return Rehearsal(start, Scripted(places=places(4, films))).execute(random.Random(seed))

    needed = 3 + films * (2 * 1 + 2 * 10 + 3)
    for seed in range(4):
        enough = of(needed, seed)
        assert (enough.state.ended, enough.state.spent) == ("completed", needed)
        short = of(needed - 1, seed)
        assert (short.state.ended, short.bought) == ("failed", ["idea"])
    assert len(of(needed - 1, allowed=1).bought) > 1


CHAIN = """
version: 1
name: chain
budget: {credits: BUDGET}
steps:
  words: {uses: chat, with: {model: gpt-5-2-chat, message: a, expect: {places: [string]}}}
  stills:
    uses: generate
    foreach: ${{ steps.words.json.places }}
    with: {model: z-image, prompt: "${{ item }}"}
  more:
    uses: chat
    needs: [stills]
    with: {model: gpt-5-2-chat, message: b, expect: {places: LIST}}
  LAST
"""
FILM_EACH = """films:
    uses: generate
    foreach: ${{ steps.more.json.places }}
    LIMIT
    with: {model: veo3-1-lite, prompt: "PROMPT"}"""
CAMPAIGN_EACH = """films:
    uses: include
    foreach: ${{ steps.more.json.places }}
    LIMIT
    with: {spec: film.yaml, inputs: {place: "PROMPT"}}"""
ONE_FILM = """
version: 1
name: film
inputs: {place: {type: string, required: false}}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.place }}"}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: push, references: ["${{ steps.still.asset }}"]}
"""
AT_LEAST_TWO = "{type: list, of: string, min: 2, max: 3}"
PERHAPS = "{type: list, of: string, min: 2, max: 3, required: false}"
MAPS = "{type: list, of: map, fields: {name: {type: string, required: REQUIRED}}, min: 2, max: 3}"


@pytest.mark.parametrize(
    ("listed", "prompt", "limit", "many"),
    [
        (AT_LEAST_TWO, "${{ item }}", "#", 2),
        (AT_LEAST_TWO, "${{ item }} ${{ item.index }}", "#", 2),
        (AT_LEAST_TWO, "${{ item }}", "limit: 1", 1),
        (AT_LEAST_TWO, "${{ item }}", "allow_failures: 2", 0),
        (PERHAPS, "${{ item }}", "#", 0),
        (MAPS.replace("REQUIRED", "true"), "${{ item.name }}", "#", 2),
        (MAPS.replace("REQUIRED", "false"), "${{ item.name }}", "#", 0),
    ],
)
@pytest.mark.parametrize(("last", "each"), [(FILM_EACH, 10), (CAMPAIGN_EACH, 11)])
def test_what_an_answer_must_list_counts_before_it_is_asked_for(
    last: str, each: int, listed: str, prompt: str, limit: str, many: int
) -> None:
    class Listing(NaiveService):
        def answer(self, buy: Buy) -> tuple[str, str]:
            places: list[Any] = ["a", "b"]
            if buy.step == "more" and "of: map" in listed:
                places = [{"name": "a"}, {"name": "b"}]
            return "s_1", json.dumps({"places": places})

    text = CHAIN.replace("LAST", last).replace("LIST", listed)
    text = text.replace("PROMPT", prompt).replace("LIMIT", limit)

    def run_with(budget: int) -> Rehearsal:
        start = frozen(text.replace("BUDGET", str(budget)), includes={"film.yaml": ONE_FILM})
        return Rehearsal(start, Listing()).execute()

    needed = run_with(9_999).state.spent
    assert run_with(needed).state.ended == "completed"
    least = run_with(9_999).events(PurchaseIntended)[0].reserve + 2 + each * many
    assert run_with(least - 1).bought == ["words"]
    assert run_with(least).bought[:3] == ["words", "stills", "stills"]


DEARER = """
version: 1
name: stills
budget: {credits: 2, on_unfit: UNFIT}
steps:
  stills:
    uses: generate
    foreach: [lamp, vase, rug]
    allow_failures: 1
    with: {model: z-image, prompt: "${{ item }}"}
"""


@pytest.mark.parametrize(("unfit", "ended"), [("fail", "failed"), ("go_on", "completed")])
def test_allow_failures_covers_what_the_budget_leaves_out_only_where_the_spec_says_go_on(
    unfit: str, ended: str
) -> None:
    run = Rehearsal(frozen(DEARER.replace("UNFIT", unfit)), NaiveService()).execute()
    assert (run.state.ended, run.state.spent) == (ended, 2)
