"""What a resume buys again, and what it only waits for."""

from __future__ import annotations

import json
from datetime import timedelta

from rivya_flows.queue.actions import Buy, Work
from rivya_flows.queue.events import Event, ItemFailed, PurchaseIntended
from rivya_flows.queue.items import Phase
from rivya_flows.queue.state import State
from support.campaigns import a_set, until
from support.naive_service import NOON, NaiveService, Rehearsal, frozen


def phases(state: State, step: str) -> list[str]:
    return [item.phase.value for item in state.steps[step].items.values()]


def test_a_new_cap_lets_a_resume_buy_what_was_over_budget() -> None:
    rehearsal = a_set(4, 2)
    rehearsal.take_up()
    rehearsal.run()
    assert rehearsal.ended == ["failed"]
    rehearsal.take_up(budget=10)
    rehearsal.run()
    assert rehearsal.ended == ["failed", "completed"]
    assert len(rehearsal.service.charges) == 4


def test_a_failed_job_is_bought_anew_only_when_a_resume_says_so() -> None:
    rehearsal = a_set(1, 9)
    rehearsal.service.failing = 1.0
    rehearsal.take_up()
    rehearsal.run()
    rehearsal.take_up()
    rehearsal.run()
    assert len(rehearsal.service.charges) == 1
    rehearsal.service.failing = 0.0
    rehearsal.take_up(regenerate=("stills",))
    rehearsal.run()
    assert rehearsal.ended == ["failed", "failed", "completed"]
    assert len(rehearsal.service.charges) == 2


def test_an_intent_older_than_the_window_is_uncertain_until_it_is_resubmitted() -> None:
    rehearsal = a_set(1, 9)
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    late = NOON + timedelta(hours=21)
    rehearsal.take_up(at=late)
    rehearsal.run()
    [item] = rehearsal.state.steps["stills"].items.values()
    assert (item.phase, item.code, rehearsal.state.spent) == (Phase.FAILED, "uncertain", 1)
    assert rehearsal.service.charges == {}
    rehearsal.take_up(at=late, resubmit=("stills[0]",))
    rehearsal.run()
    assert rehearsal.ended[-1] == "completed"
    assert len(rehearsal.service.charges) == 1


FRAMES = """
version: 1
name: frames
steps:
  stills:
    uses: generate
    foreach: [0, 1, 2]
    allow_failures: 1
    with: {model: z-image, prompt: "lamp ${{ item }}"}
  frames:
    uses: compose
    foreach: ${{ steps.stills.assets }}
    allow_failures: 1
    with: {images: ["${{ item }}"]}
  films:
    uses: generate
    foreach: ${{ steps.frames.items }}
    with: {model: z-image, prompt: "poster of ${{ item.asset.mime_type }} ${{ item.key }}"}
  last:
    uses: generate
    needs: [films]
    with: {model: z-image, prompt: the end}
"""


class OneStillRefused(NaiveService):
    """Refuses one still at first, and the last picture."""

    def take(self, buy: Buy) -> int | None:
        refused = (buy.step, buy.key, buy.n) == ("stills", "2", 1) or buy.step == "last"
        return None if refused else super().take(buy)


class OneFrameBroken(Rehearsal):
    """The second frame fails at first."""

    def _work(self, action: Work) -> Event:
        if (action.step, action.key, len(self.ended)) == ("frames", "1", 0):
            return ItemFailed(step=action.step, key=action.key, code="media", message="broken")
        return super()._work(action)


def test_items_wait_while_a_resume_makes_the_list_that_they_follow_anew() -> None:
    rehearsal = OneFrameBroken(frozen(FRAMES), OneStillRefused())
    rehearsal.take_up()
    rehearsal.run()
    assert phases(rehearsal.state, "films") == ["completed", "skipped"]
    rehearsal.take_up()
    assert not rehearsal.state.steps["frames"].expanded
    rehearsal.run()
    assert rehearsal.ended == ["failed", "failed"]
    assert phases(rehearsal.state, "frames") == ["completed"] * 3
    assert phases(rehearsal.state, "films") == ["completed"] * 2
    assert len(rehearsal.service.charges) == 3 + 2


NO_LIST = """
version: 1
name: no-list
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A lamp, expect: {visual: string, narration: string}}
  stills:
    uses: generate
    foreach: ${{ [steps.script.json.visual, steps.script.json.narration] }}
    with: {model: z-image, prompt: "${{ item }}"}
  posters:
    uses: generate
    foreach: ${{ steps.stills.items }}
    with: {model: z-image, prompt: "poster ${{ item.key }}"}
"""


def test_nothing_is_bought_for_a_list_that_never_was_and_a_resume_makes_it() -> None:
    rehearsal = Rehearsal(frozen(NO_LIST), NaiveService(rambling=1.0))
    rehearsal.take_up()
    rehearsal.run()
    posters = list(rehearsal.state.steps["posters"].items.values())
    assert [(item.phase, item.reason) for item in posters] == [(Phase.SKIPPED, "script failed")]
    assert len(rehearsal.service.charges) == 3, "the turns of the script"
    rehearsal.service.rambling = 0.0
    rehearsal.take_up(regenerate=("script",))
    rehearsal.run()
    assert rehearsal.ended == ["failed", "completed"]
    assert phases(rehearsal.state, "posters") == ["completed"] * 2
    assert len(rehearsal.service.charges) == 4 + 2 + 2


def test_a_chat_whose_session_is_gone_is_asked_in_a_new_one_at_a_resume() -> None:
    class Gone(NaiveService):
        def take(self, buy):  # type: ignore[no-untyped-def]
            return None if "session_id" in json.loads(buy.bought.body) else super().take(buy)

        def answer(self, buy):  # type: ignore[no-untyped-def]
            session, content = super().answer(buy)
            return session, content if len(self.charges) > 1 else "hello"

    run = Rehearsal(frozen(NO_LIST), Gone())
    for _ in range(2):
        run.take_up()
        run.run()
    statuses = [one.status for one in run.state.item("script", "").purchases]
    assert (run.ended, statuses) == (["failed", "completed"], ["answered", "refused", "answered"])
