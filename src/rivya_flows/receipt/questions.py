"""Open questions as people see them: titles, commands, and a page in Markdown.

Keys, prompts, notes and the words of a judge come from people and from models: `markdown`
makes text of them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from os.path import commonprefix

from rivya_client.catalogue.prices import price_of
from rivya_flows.assets import Asset, as_asset
from rivya_flows.estimate.estimate import remaining
from rivya_flows.language.canonical import digest
from rivya_flows.markdown import code, link, picture, quotation, side_by_side, text
from rivya_flows.plans.names import join_keys
from rivya_flows.questions.open_questions import utc_minute
from rivya_flows.questions.question import BUDGET, Candidate, Question, answer_name, writable
from rivya_flows.questions.reading_answers import RAISE_BUDGET
from rivya_flows.queue.events import AnswerGiven
from rivya_flows.queue.state import State
from rivya_flows.receipt.model import Approval, Choice, ReviewAnswer, ReviewNote
from rivya_flows.steps.review import Note

_MAX_PROMPT = 160  # characters of a prompt that are shown
_MAX_WORDS = 1_000  # characters of a candidate that is a text, and of a judge's reason
_ACROSS = 3  # pictures of 160 pixels in a dialog
_MIN_SHARED = 20  # characters of a shared beginning that get a line of their own
_LINKS = {"video": "play the film", "audio": "play the sound"}


CHANNELS = {
    "terminal": "in the terminal",
    "command": "with --answer",
    "form": "in Prefect's form",
    "link": "with a link",
    "board": "on the contact sheet",
    "python": "from Python",
    "agent": "over MCP",
}
"""The ways in which people answer, as words."""


@dataclass(frozen=True)
class MediaLinks:
    """Finds media for a browser by http and https addresses; None if it cannot reach them."""

    address: Callable[[Asset], str | None]
    still: Callable[[Asset], str | None]

    def whole(self, asset: Asset | None) -> str | None:
        return _web(self.address(asset)) if asset else None

    def small(self, asset: Asset | None) -> str | None:
        """Of a small picture of it."""
        return _web(self.still(asset)) if asset else None


def _web(address: str | None) -> str | None:
    return address if address and address.startswith(("http://", "https://")) else None


def deadline_note(question: Question, write_time: Callable[[datetime], str] = utc_minute) -> str:
    """The deadline, and what happens at it, as a sentence; "" without one."""
    if question.deadline is None:
        return ""
    then = deadline_effect(question.at_deadline, question.count)
    return f"Open until {write_time(question.deadline)}; after that {then}."


def how_to_answer(question: Question, *, form: bool = False) -> str:
    """What may be answered beside one key, in a form or as text, as a sentence; "" if nothing."""
    many = question.count > 1
    if question.kind == "review":
        return _how_to_review(question, form=form)
    if not (many or question.again):
        return ""
    commas = ", with commas between them" if many and not form else ""
    pick = f"Pick {question.count if many else 'one'}{commas}"
    if question.again is None:
        return f"{pick}."
    times = "once more" if question.rounds_left == 1 else f"{question.rounds_left} times more"
    none, note = "none of these" if form else "none", ""
    if question.note_room:
        note = " with what you write below" if form else " with the note"
        none += "" if form else ": NOTE"
    how = f"{pick}, or {none} to buy {question.again}{note}, at most {times}."
    return _with_over(how, question)


def _with_over(how: str, question: Question) -> str:
    """How to answer, and why another round cannot begin now."""
    return (
        f"{how} {question.over[0].upper()}{question.over[1:]}: {RAISE_BUDGET}."
        if question.over
        else how
    )


def _how_to_review(question: Question, *, form: bool) -> str:
    changes = "changes with your notes" if form else "changes: NOTE"
    if question.again is None:
        return f"Answer approve, or {changes}, which fails the step: no round is left."
    times = "once more" if question.rounds_left == 1 else f"{question.rounds_left} times more"
    how = (
        f"Answer approve, or {changes}: they are made for {question.again.price}, at most {times}."
    )
    return _with_over(how, question)


def tally(review: Approval, round_: int) -> str:
    """How a round of a review stands: ``1 of 2 approved; brand has not answered``."""
    return _tally(review.reviewers, review.need, review.of_round(round_))


def _tally(
    reviewers: Sequence[str], need: int, answers: Sequence[ReviewAnswer | AnswerGiven]
) -> str:
    approved = sum(one.answer == "approve" for one in answers)
    wanted = [one.by.name or "a reviewer" for one in answers if one.answer == "changes"]
    found = [f"{approved} of {need} approved"]
    if wanted:
        found.append(f"{', '.join(wanted)} asked for changes")
    answered = {(one.by.name or "").casefold() for one in answers}
    if missing := [one for one in reviewers if one.casefold() not in answered]:
        found.append(f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} not answered")
    return "; ".join(found)


def standing_line(question: Question) -> str:
    """How the round of a review stands that is asked about now, as `tally`."""
    return _tally(question.reviewers, question.need, question.responses)


def review_lines(review: Approval) -> Iterator[str]:
    """The notes of reviewers, a line each: ``legal, round 1, asked for changes: 0:04 the logo is cut``."""
    for one in review.answers:
        did = "approved" if one.answer == "approve" else "asked for changes"
        who = f"{one.by.name or 'a reviewer'}, round {one.round + 1}, {did}"
        for note in one.notes:
            yield f"{who}: {note_place(note)}{note.text}"


def note_place(note: ReviewNote | Note) -> str:
    """The place that a note is about, in front of its text: ``9:16, 0:04 (40%, 62%) ``; "" for the whole."""
    minutes, seconds = divmod(note.second or 0, 60)
    time = "" if note.second is None else f"{minutes:.0f}:{seconds:02.0f} "
    point = "" if note.x is None else f"({note.x}%, {note.y}%) "
    return (f"{note.medium}, " if note.medium else "") + time + point


def answer_line(answer: AnswerGiven) -> str:
    """An answer as a log line: ``hero: neon, by Ana in Prefect's form``."""
    chosen, by = join_keys(answer.chosen), answer.by
    if answer.turn:
        chosen += f" ({answer.note})" if answer.note else ""
    if answer.none:
        chosen = "none of these" + (f" ({answer.note})" if answer.note else "")
    how = f"by {by.name} " if by.name else ""
    how = "after its deadline" if by.channel == "deadline" else how + CHANNELS[by.channel]
    return f"{answer_name(answer.step, answer.key)}: {chosen}, {how}"


def digest_of(questions: Sequence[Question]) -> str:
    """12 hex digits that depend on the questions and their choices alone."""
    asked = sorted([one.step, writable(one.key), list(one.spellings)] for one in questions)
    return digest(asked)[:12]


def questions_page(state: State, questions: Sequence[Question], links: MediaLinks) -> str:
    """All questions in Markdown, for both versions of Prefect's pages.

    Stills are side by side, so that the choice below them is near; others one below the other.
    """
    prompts: dict[str, str] = {}  # of what was made so far, by task id and by SHA-256 of the medium
    for _, item in state.each():
        outputs, prompt = item.outputs or {}, item.request and item.request.prompt
        asset = as_asset(outputs.get("asset"))
        for name in (outputs.get("task_id"), asset and asset.sha256):
            if prompt and isinstance(name, str):
                prompts.setdefault(name, prompt)
    parts = [part for one in questions for part in _parts(state, one, prompts, links)]
    if not any(one.step == BUDGET for one in questions):  # which says itself what it buys
        parts.append(f"With an answer {what_follows(remaining(state).most)}.")
    return "\n\n".join(parts)


def _parts(
    state: State, question: Question, prompts: Mapping[str, str], links: MediaLinks
) -> Iterator[str]:
    yield f"### {text(question.title)}"
    if question.round:
        notes = state.item(question.step, question.key).notes
        yield f"**{text(round_note(question.round, notes))}**"
    if limit := deadline_note(question):
        yield f"*{limit}*"
    if question.judge_error:
        yield f"no scores: {text(question.judge_error)}"
    same, tails = _split_shared(
        [
            prompts.get(one.task_id or "") or prompts.get(one.sha256 or "", "")
            for one in question.candidates
        ]
    )
    if same:
        yield text(same, _MAX_PROMPT)
    numbered = are_numbered(question.choices)
    stills = _stills(question, links)
    if stills:
        yield side_by_side(stills, _ACROSS)
    for one, tail in zip(question.candidates, tails, strict=True):
        heading, url = _heading(one, numbered=numbered), links.whole(one.asset)
        if stills and url:
            yield f"{heading} · {link('full size', url)}"
        else:
            yield heading
            yield from _medium(one, links)
        if tail:
            yield text(tail, _MAX_PROMPT)
        if one.reason:
            yield quotation(" ".join(one.reason.split()), _MAX_WORDS)
    if how := how_to_answer(question, form=True):
        yield text(how)
    yield f"Answer in this form, or in a terminal: {code(command(state.run_id, question))}"


def command(run_id: str, question: Question) -> str:
    """The command that answers a question, with ``NUMBER`` or ``KEY`` for the candidate."""
    answer = "yes" if question.step == BUDGET else "approve"
    if question.kind == "pick":
        answer = blank_keys(question.choices, question.count)
    by = " --by NAME" if question.reviewers else ""
    return answering_command(run_id, {question.label: answer}) + by


def _heading(one: Candidate, *, numbered: bool) -> str:
    """``**2 · neon** · 1 credit · 8.5 of 10 · proposed by the judge``."""
    name = " · ".join(filter(None, [str(one.n) if numbered else "", text(one.key)])) or "–"
    facts = [
        f"**{name}**",
        "" if one.credits is None else price_of(one.credits, one.credits),
        "" if one.reason is None else f"{one.score:g} of 10",
        "**proposed by the judge**" if one.proposed else "",
    ]
    return " · ".join(filter(None, facts))


def _stills(question: Question, links: MediaLinks) -> list[tuple[str, str]]:
    """The key and a small picture of each candidate; empty unless all are stills that have one."""
    found = [
        (one.key, still)
        for one in question.candidates
        if one.asset and one.asset.kind == "image" and links.whole(one.asset)
        if (still := links.small(one.asset))
    ]
    return found if len(found) == len(question.candidates) else []


def _medium(one: Candidate, links: MediaLinks) -> Iterator[str]:
    asset, url, still = one.asset, links.whole(one.asset), links.small(one.asset)
    if one.text is not None:
        yield quotation(readable(one.text), _MAX_WORDS)
    elif asset is None or url is None:
        yield "no address for a browser"
    elif asset.kind in _LINKS:
        seconds = asset.duration_seconds
        length = "" if seconds is None else f", {seconds:.0f} s"
        if still:
            yield picture(one.key, still)
        yield link(f"{_LINKS[asset.kind]}{length}", url)
    else:
        # In a paragraph of its own: a picture in a table has its full size, and one in a link none.
        yield picture(one.key, still or url)
        if still:
            yield link("full size", url)


def _split_shared(prompts: Sequence[str]) -> tuple[str, list[str]]:
    """The beginning that all prompts share, and the rest of each."""
    shared = commonprefix(prompts) if len(prompts) > 1 else ""  # noqa: RUF071 - texts, not paths
    if any(prompt != shared for prompt in prompts):
        shared = shared[: shared.rfind(" ") + 1]  # never split a word
    if len(shared) < _MIN_SHARED:
        return "", list(prompts)
    tails = [prompt.removeprefix(shared) for prompt in prompts]
    return shared.strip(" ,"), [f"… {tail}" if tail else "" for tail in tails]


def deadline_effect(then: object, count: int) -> str:
    """What a deadline does, an `AtDeadline`, as half a sentence."""
    if then == "first":
        return "the first one is taken" if count == 1 else f"the first {count} are taken"
    if then == "judge":
        return "what the judge proposes is taken"
    if then == "approve":
        return "it counts as approved"
    if then == "changes":
        return "the changes that were asked for are bought"
    return "the candidates are bought again" if then == "regenerate" else "the step fails"


def what_follows(most: int | None) -> str:
    """``the run continues and buys what follows, for at most 10 credits``; None is a price without bound."""
    if most == 0:
        return "the run continues and buys nothing more"
    price = "" if most is None else f", for at most {price_of(most, most)}"
    return f"the run continues and buys what follows{price}"


def readable(written: str) -> str:
    """A candidate that is a text, for people: fields of an answer one to a line, other text as it is."""
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return written
    plain = isinstance(found, dict) and all(
        isinstance(value, str | int | float) and not isinstance(value, bool)
        for value in found.values()
    )
    return (
        "\n".join(f"{name}: {value}" for name, value in found.items())
        if found and plain
        else written
    )


def round_note(number: int, notes: Sequence[str]) -> str:
    """``round 2, with the note: warmer light``; "" in the first round."""
    if number < 1:
        return ""
    noted = [*filter(None, notes)]
    with_notes = f", with the note{'s' * (len(noted) > 1)}: {'; '.join(noted)}" if noted else ""
    return f"round {number + 1}{with_notes}"


def are_numbered(keys: Sequence[str]) -> bool:
    """Whether no key is the number of another candidate: in an answer, a key wins over a number."""
    numbers = {str(number): key for number, key in enumerate(keys, 1)}
    return all(numbers.get(key, key) == key for key in keys)


def blank_answer(choice: Choice) -> str:
    """What stands for the answer to a question in a command."""
    return "approve" if choice.review else blank_keys(choice.keys, choice.count)


def blank_keys(keys: Sequence[str], count: int) -> str:
    """What stands for an answer in a command: ``NUMBER``, ``KEY,KEY``."""
    return ",".join(["NUMBER" if are_numbered(keys) else "KEY"] * min(count, len(keys) or 1))


def answering_command(run_id: str, answers: Mapping[str, str]) -> str:
    """The command that answers questions, by their names."""
    options = [f"--answer {shlex.quote(name)}={answer}" for name, answer in answers.items()]
    return " ".join([f"rivya-flows resume {shlex.quote(run_id)}", *options])
