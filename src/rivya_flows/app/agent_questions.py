"""The questions of a run: how an agent sees them, and what its answer adds to the journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from rivya_flows.app.agent_results import (
    MAX_ITEMS,
    AgentChoice,
    AgentPicture,
    AgentQuestion,
    bounded,
)
from rivya_flows.app.report import RunReport
from rivya_flows.errors import RivyaFlowsError, UsageError
from rivya_flows.media.decoding import poster
from rivya_flows.planning.questions.open_questions import answerable
from rivya_flows.planning.questions.presentation import readable
from rivya_flows.planning.questions.question import BUDGET, Answer, Question
from rivya_flows.planning.questions.reading_answers import read_answers
from rivya_flows.planning.queue.events import AnsweredBy, AnswerGiven, RunFrozen, Stamped
from rivya_flows.planning.queue.queue import replay
from rivya_flows.printable import printable
from rivya_flows.store.assets import AssetStore

MAX_PICTURES, MAX_PICTURE_BYTES, PICTURE_SIDE = 8, 200_000, 512

BY = "an agent"


def answers_of(
    entries: Sequence[Stamped], step: str, keys: Sequence[str] | None, note: str
) -> tuple[tuple[AnswerGiven, ...], str | None]:
    """The entries of an answer, none where the run knows it already; and how the run has ended.

    Args:
        keys: Of the choices, as they were shown; None for none of these.

    Raises:
        UsageError: The run cannot be answered so, or not by an agent.
    """
    frozen = entries[0].event
    assert isinstance(frozen, RunFrozen)
    run_id = frozen.run_id
    if frozen.started_by != "agent":
        raise UsageError(
            f"{run_id} was not started by an agent, so an agent cannot let it buy more",
            f"a person answers with `rivya-flows resume {run_id} --answer STEP=KEY`",
        )
    state = replay(entry.event for entry in entries)
    questions = answerable(state)
    question = next((one for one in questions if printable(one.label) == step), None)
    name, picked = step, tuple(keys or ())
    if question is not None:
        if question.step == BUDGET and picked != ("no",):
            raise UsageError(
                "budget: an agent can answer no alone: its quote is the most that is spent",
                f"a person raises it with `rivya-flows resume {run_id} --budget N`",
            )
        spelled = {printable(one): one for one in question.choices}
        name, picked = question.label, tuple(spelled.get(one, one) for one in picked)
    by = AnsweredBy(name=BY, channel="agent", at=datetime.now(UTC))
    return read_answers({name: Answer(picked, note)}, questions, state, by), state.ended


def question_of(
    question: Question, report: RunReport, assets: AssetStore, pictures: list[AgentPicture]
) -> AgentQuestion:
    """A question; adds small pictures of its candidates to those of the result."""
    name, shown = question.label, []
    # A spec may write any map as a candidate: what this run has not made or read is not shown.
    known, paths = report.receipt.media, report.media_paths
    candidates = {one.key: one for one in question.candidates}
    for key in question.choices[:MAX_ITEMS]:
        one = candidates.get(key)
        asset = known.get(one.sha256 or "") if one else None
        text = None if one is None or one.text is None else readable(one.text)
        jpeg = None
        if asset and asset.kind != "audio" and len(pictures) < MAX_PICTURES:
            jpeg = _picture(assets, asset.sha256)
        if jpeg is not None:
            pictures.append(AgentPicture(printable(f"{name} = {key}"), jpeg))
        shown.append(
            AgentChoice(
                key=printable(key),
                kind=asset.kind if asset else "text",
                file=paths.get(asset.sha256) if asset else None,
                text=bounded(text),
                score=one.score if one else None,
                reason=bounded(one.reason) if one else None,
                picture=None if jpeg is None else len(pictures),
            )
        )
    return AgentQuestion(
        step=printable(name),
        text=bounded(question.title),
        pick=question.count,
        choices=shown,
        none_left=question.rounds_left,
        note_room=question.note_room,
        deadline=question.deadline and question.deadline.isoformat(),
    )


def _picture(assets: AssetStore, sha256: str) -> bytes | None:
    """A small JPEG of a medium; None if it is gone, broken, or large however small it is drawn."""
    with suppress(RivyaFlowsError):
        path = assets.local_path(sha256)
        for side in (PICTURE_SIDE, PICTURE_SIDE // 2):
            jpeg = poster(path, side)
            if jpeg is None or len(jpeg) <= MAX_PICTURE_BYTES:
                return jpeg
    return None


def question_lines(question: AgentQuestion) -> Iterator[str]:
    many = "" if question.pick == 1 else f" (pick {question.pick})"
    yield f"{question.step} asks: {question.text}{many}"
    for one in question.choices:
        scored = "" if one.score is None else f", {one.score:g} of 10: {one.reason}"
        seen = "" if one.picture is None else f", picture {one.picture}"
        yield f"  {one.key}: {one.file or one.text or ''}{seen}{scored}"
    if question.none_left:
        yield f"  or none of these, at most {question.none_left} times"
    if question.deadline:
        yield f"  open until {question.deadline}"
