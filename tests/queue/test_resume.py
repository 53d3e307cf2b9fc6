"""What a resume buys again, and what it only waits for."""

from __future__ import annotations

import json

from rivya_flows.queue.actions import Buy, Work
from rivya_flows.queue.events import Event, ItemFailed
from rivya_flows.queue.items import Phase
from support.naive_service import NaiveService, Rehearsal, frozen, played

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
    with: {clips: ["${{ item }}"]}
  films:
    uses: generate
    foreach: ${{ steps.frames.items }}
    with: {model: z-image, prompt: "poster of ${{ item.asset.mime_type }} ${{ item.key }}"}
  last: {uses: generate, needs: [films], with: {model: z-image, prompt: the end}}
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
    run = OneFrameBroken(frozen(FRAMES), OneStillRefused()).execute()
    assert run.phases("films") == ["completed", "skipped"]
    run.take_up()
    assert not run.state.steps["frames"].expanded
    run.run()
    assert run.ended == ["failed", "failed"]
    assert run.phases("frames") == ["completed"] * 3
    assert run.phases("films") == ["completed"] * 2
    assert len(run.service.charges) == 3 + 2


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
    run = played(NO_LIST, NaiveService(rambling=1.0))
    [poster] = run.items("posters")
    assert (poster.phase, poster.reason) == (Phase.SKIPPED, "script failed")
    assert len(run.service.charges) == 3, "the turns of the script"
    run.service.rambling = 0.0
    assert run.execute(regenerate=("script",)).ended == ["failed", "completed"]
    assert run.phases("posters") == ["completed"] * 2
    assert len(run.service.charges) == 4 + 2 + 2


def test_a_chat_whose_session_is_gone_is_asked_in_a_new_one_at_a_resume() -> None:
    class Gone(NaiveService):
        def take(self, buy):  # type: ignore[no-untyped-def]
            return None if "session_id" in json.loads(buy.purchase.body) else super().take(buy)

        def answer(self, buy):  # type: ignore[no-untyped-def]
            session, content = super().answer(buy)
            return session, content if len(self.charges) > 1 else "hello"

    run = played(NO_LIST, Gone()).execute()
    statuses = [one.status for one in run.item("script").purchases]
    assert (run.ended, statuses) == (["failed", "completed"], ["answered", "refused", "answered"])
