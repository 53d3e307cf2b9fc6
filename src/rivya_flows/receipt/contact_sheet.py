"""Pages about a run that need no network: its contact sheet, and the page for a client."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from rivya_client.printable import one_line
from rivya_flows.assets import Asset, as_asset, assets_in
from rivya_flows.media.decoding import draw_poster
from rivya_flows.plans.names import is_round, label
from rivya_flows.program import NAME, callable_here
from rivya_flows.questions.question import Candidate, NextRound, Question
from rivya_flows.receipt.continuing import continuation
from rivya_flows.receipt.embedding import (
    AssetPath,
    Embedder,
    Rendering,
    Served,
    SheetMedium,
    alt_text,
    data_uri,
    describe,
)
from rivya_flows.receipt.model import Card, Choice, EarlierCandidate, Item, Receipt, Step
from rivya_flows.receipt.pages import moment_text, render, render_part, value_text
from rivya_flows.receipt.questions import answering_command, blank_answer, blank_keys
from rivya_flows.receipt.sheet_story import fold_steps, step_times
from rivya_flows.receipt.summary import alike, manner, name_alike, steps_done

_NOT_NEEDED = ("skipped", "suspended", "running")
_UNFINISHED = ("running", "suspended")  # outputs without a value may still get one
_NOT_DONE = ("failed", "skipped", "cancelled", "suspended")


CUT = "<!---->"
"""Between two pieces of the page; no value of a receipt can have it."""

Offers = list[tuple[Candidate | EarlierCandidate, list[SheetMedium]]]
"""Candidates with their media."""


class Asked(NamedTuple):
    """An open question of a run; `earlier` are the rounds before, the latest first, by number."""

    name: str
    item: Item
    choice: Choice
    again: NextRound | None
    offers: Offers
    earlier: list[tuple[int, Offers]]


def contact_sheet(
    receipt: Receipt,
    asset_path: AssetPath,
    *,
    beside: Path | None = None,
    questions: Sequence[Question] = (),
) -> str:
    """The page of a run: open questions, outputs, credits by step, every item with its prompt and price.

    It holds small pictures and small files, and links the others, see `Embedder`.
    """
    embedder = Embedder([receipt], asset_path, beside)
    asked = [choice for _, choice in receipt.choices() if choice.waiting]
    first = [one.sha256 for choice in asked for one in choice.candidates if one.sha256]
    embedder.draw([*first, *(one.sha256 for one in assets_in(receipt.outputs))])
    files = {} if beside is None else receipt.text_files
    body = render_part("sheet_body.html", _view(receipt, embedder, questions) | {"files": files})
    view = {"title": title_of(receipt), "body": Markup(body), "live": False}
    return render("contact_sheet.html", view)


def sheet_pieces(
    receipt: Receipt, served: Served, questions: Sequence[Question] = (), *, answers: bool = False
) -> tuple[str, ...]:
    """What the same page shows on a server, in pieces that change one by one; with `answers` by a click."""
    view = _view(receipt, Embedder([receipt], served), questions)
    view |= {"answers": answers, "served": True}
    return tuple(render("sheet_body.html", view).split(CUT))


def live_page(pieces: Sequence[str] = (), *, title: str = "", key: str = "") -> str:
    """The page around these pieces, which follows its run.

    `key` names the place in the browser that has the password for it; "" if its address is enough.
    """
    view = {"title": title, "body": Markup(CUT.join(pieces)), "live": True, "key": key}
    return render_part("contact_sheet.html", view)


def title_of(receipt: Receipt) -> str:
    """What a browser calls the page."""
    about = " · ".join(filter(None, [receipt.subject, receipt.title or receipt.name]))
    return f"{about} · {receipt.run_id}"


def _view(receipt: Receipt, embedder: Embedder, asked: Sequence[Question]) -> dict[str, Any]:
    # In the order of the page: a medium is embedded where it comes first.
    questions = [*_questions(receipt, embedder, {one.label: one for one in asked})]
    names = {one.name for one in questions}
    further = [one for one in asked if one.label not in names]
    outputs = [(name, value, embedder.media(value)) for name, value in receipt.outputs.items()]
    if receipt.status in _UNFINISHED:
        outputs = [one for one in outputs if one[2] or value_text(one[1])]
    placed = [step for step in receipt.steps if _has_place(step)]
    folded = {step.id: (step, inside) for step, inside in fold_steps(placed)}
    steps = [_as_begun(one, folded.get(one.id, (one, [one]))[1]) for one in placed]
    whole = [_as_begun(*one) for one in folded.values()]
    troubles = ((step, item) for step in steps for item in step.items if _is_trouble(item))
    cards = [[(item, *_media_of(item, embedder)) for item in step.items] for step in steps]
    blanks = {one.name: blank_answer(one.choice) for one in questions}
    blanks |= {one.label: blank_keys(one.choices, 1) for one in further}
    by = " --by NAME" * any(one.choice.review and one.choice.review.reviewers for one in questions)
    ended = not questions and receipt.status in ("failed", "cancelled")
    return {
        "receipt": receipt,
        "comparing": _comparing(receipt),
        "questions": questions,
        "further": further,
        "answers": False,
        "command_begin": callable_here(answering_command(receipt.run_id, {})),
        "command": callable_here(answering_command(receipt.run_id, blanks)) + by,
        "following": continuation(receipt) if ended else None,
        "kept": [text for text, done in steps_done(receipt) if done],
        "outputs": outputs,
        "files": {},
        "steps": [*zip(steps, cards, strict=True)],
        "origins": Origins(receipt, embedder, [step.id for step in steps]),
        "whole_steps": whole,
        "times": step_times(receipt, placed),
        "troubles": [(*same[0], name_alike(same)) for same in alike(troubles)],
        "served": False,
    }


def _questions(
    receipt: Receipt, embedder: Embedder, asked: Mapping[str, Question]
) -> Iterator[Asked]:
    """The open questions of a run; none unless a person may answer."""

    def offers_of(candidates: Iterable[Candidate | EarlierCandidate]) -> Offers:
        return [(one, embedder.of_hash(one.sha256)) for one in candidates]

    for step, item in receipt.each():
        if (choice := item.choice) and choice.waiting:
            offers = offers_of(choice.candidates)
            earlier = [
                (number, offers_of(one for one in choice.earlier if one.round == number))
                for number in reversed(range(choice.round))
            ]
            # A terminal would act on what a pasted name has; such a name then fits no question.
            name = one_line(label(step.id, item.key))
            question = asked.get(name)
            again = question.again if question else None
            yield Asked(name, item, choice, again, offers, [one for one in earlier if one[1]])


def _media_of(item: Item, embedder: Embedder) -> tuple[list[SheetMedium], Rendering | None]:
    """The media of an item, which are in the rendering if it has formats, then those that were refused."""
    rendering = embedder.rendering(item)
    given = [] if rendering else embedder.of_item(item.assets)
    return [*given, *embedder.refused_media(item.files)], rendering


def _is_trouble(item: Item) -> bool:
    """Whether it is named on top; what waits for an answer is asked there."""
    asks = item.status == "suspended" and item.choice and item.choice.waiting
    return item.status in _NOT_DONE and not asks


def _has_place(step: Step) -> bool:
    """Not a round of a pick that nothing was bought for."""
    return not is_round(step.id) or any(item.status not in _NOT_NEEDED for item in step.items)


def _as_begun(step: Step, inside: Sequence[Step]) -> Step:
    """A step; ``waiting``, with nothing to show, before any of its items, or of those inside, begins."""
    if step.status != "running" or any(item.began_at for one in inside for item in one.items):
        return step
    return step.model_copy(update={"status": "waiting", "items": ()})


def _comparing(receipt: Receipt) -> str:
    """The command that compares a fork with its run; "" of other runs."""
    if receipt.fork is None:
        return ""
    command = [NAME, "compare", receipt.fork.run_id, receipt.run_id, "--open"]
    return callable_here(shlex.join(command))


# --- What media were made from ---

_MOST_SOURCES = 24  # of one place of the page


class Source(NamedTuple):
    """What a medium was made from, by its card; what that was made from stands where the page has it.

    Attributes:
        anchor: Of the step that made it; "" if the page does not have it.
        picture: Of what the run was given, which stands nowhere else; None if it is no small picture.
        pick: The pick that chose it, and who picked; empty if none did.
    """

    card: Card
    anchor: str
    picture: SheetMedium | None
    pick: tuple[str, ...]


class Origins:
    """Finds the sources of media of one page."""

    def __init__(self, receipt: Receipt, embedder: Embedder, steps: Iterable[str]) -> None:
        self._embedder, self._steps = embedder, frozenset(steps)
        self._cards = {card.sha256: card for card in reversed(receipt.assets)}
        self._picks: dict[str, tuple[str, str]] = {}
        for name, choice in receipt.choices():
            for one in choice.candidates:
                if one.picked and one.sha256:
                    by = manner(choice).removeprefix("picked ")
                    self._picks.setdefault(one.sha256, (name, by))

    def of(self, value: Any, item: tuple[str, str] | None = None) -> tuple[tuple[Source, ...], int]:
        """The first sources of the media in a value, each once, and how many more there are.

        Args:
            item: Step and key of the item whose card shows the media: what it says is not repeated,
                only what it took.
        """
        found: dict[Any, str] = {}
        for asset in assets_in(value):
            card = self._cards.get(asset.sha256)
            if card is None or card.made_by is None:
                continue
            name = card.made_by.step, card.made_by.key
            if name == item:
                found |= {one: one for one in card.made_by.parents}
            else:
                found.setdefault(name, asset.sha256)  # the formats of one film have one maker
        known = [self._cards[one] for one in found.values() if one in self._cards]
        first = known[:_MOST_SOURCES]
        return tuple(map(self._source, first)), len(known) - len(first)

    def _source(self, card: Card) -> Source:
        pick = self._picks.get(card.sha256, ())
        if maker := card.made_by:
            return Source(card, f"step-{maker.step}" * (maker.step in self._steps), None, pick)
        [medium] = self._embedder.of_hash(card.sha256)
        first = medium.original or medium
        is_small = medium.kind == "image" and (first.small or first.embeds)
        return Source(card, "", medium if is_small else None, pick)


# --- The page for a client ---

MAX_SHARED_BYTES = 100_000_000
"""Of all media in one page: as base64 they are a third larger, and browsers hold the page in memory."""


class SharedMedium(NamedTuple):
    """A medium in the page; its name is empty if that of the output says it."""

    asset: Asset
    path: Path
    name: str
    alt: str

    @property
    def source(self) -> str:
        """All of it as a data URI."""
        return data_uri(self.asset.mime_type or f"{self.asset.kind}/*", self.path.read_bytes())

    @property
    def poster(self) -> str:
        """A data URI of a picture of a film; else empty."""
        is_film = self.asset.kind == "video"
        still = draw_poster(self.asset.sha256, self.path).result() if is_film else None
        return data_uri("image/webp", still) if still else ""


class SharedOutput(NamedTuple):
    """An output of a run in the page; it has a text if it has no media."""

    name: str
    media: list[SharedMedium]
    text: str
    gone: int

    @property
    def size_bytes(self) -> int:
        """Of its media."""
        return sum(one.path.stat().st_size for one in self.media)


def shared_outputs(
    receipt: Receipt, asset_path: AssetPath, only: Sequence[str] = ()
) -> list[SharedOutput]:
    """The finished outputs of a run; a medium that several have is in the first of them."""
    # Beside others, people call a medium by its format, or the key of its item.
    names, seen = describe([*receipt.each()]), set[str]()
    found: list[SharedOutput] = []
    for output, value in receipt.outputs.items():
        if only and output not in only:
            continue
        media, gone = [], 0
        for asset in assets_in(value):
            if asset.sha256 not in seen:
                seen.add(asset.sha256)
                about = None if as_asset(value) else names.get(asset.sha256)
                name = about.name if about else ""
                alt = alt_text(asset.kind, name=f"{output} {name}".rstrip())
                try:
                    media.append(SharedMedium(asset, asset_path(asset.sha256), name, alt))
                except KeyError:
                    gone += 1
        text = "" if any(assets_in(value)) else value_text(value)
        if media or text or gone:
            found.append(SharedOutput(output, media, text, gone))
    return found


def share_page(receipt: Receipt, outputs: Sequence[SharedOutput]) -> str:
    """The page: subject, title, date, films, pictures, sounds and texts, whole and inside it.

    It has no price, wallet, id, prompt, model or link, and of the inputs the subject alone. The files are as they were made: their
    metadata and content credentials are in them.
    """
    view = {
        "titles": [*filter(None, [receipt.subject, receipt.title or receipt.name])],
        "date": moment_text(receipt.ended_at or receipt.started_at).split(",")[0],
        "rehearsal": receipt.sandbox,
        "outputs": outputs,
    }
    inside = sum(one.size_bytes for one in outputs) * 4 // 3
    return render("share.html", view, beside_media=inside)
