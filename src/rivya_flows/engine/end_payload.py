"""What the event of a run's end carries: plain values, for automations and as a message for people."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from rivya_flows.assets import Asset, as_asset, assets_in
from rivya_flows.markdown import link, picture, text
from rivya_flows.plans.names import listed
from rivya_flows.questions.open_questions import utc_minute
from rivya_flows.receipt.continuing import next_step
from rivya_flows.receipt.model import Choice, Receipt
from rivya_flows.receipt.questions import deadline_effect, what_follows
from rivya_flows.receipt.summary import how_picked, told, troubles

MAX_TEXT = 2_000
_MAX_MEDIA = 50
_MAX_TROUBLES = 20
_MAX_PICTURES = 4
_OF_MEDIUM = {"kind", "mime_type", "width", "height", "duration_seconds", "sha256"}

Address = Callable[[Asset], str | None]
"""Gives the URL of an asset for a browser; None if it has none."""


class EndPayload(BaseModel):
    """What the event of a run's end carries; each medium has its URL."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    name: str
    title: str
    status: str
    sentence: str
    credits: dict[str, int | None]
    outputs: dict[str, JsonValue] = {}
    picked: dict[str, dict[str, JsonValue]] = {}
    choices: dict[str, dict[str, JsonValue]] = {}
    questions: dict[str, dict[str, Any]] = {}
    troubles: tuple[str, ...] = ()
    report: str | None = None
    next: str | None = None
    markdown: str = ""

    @property
    def headline(self) -> str:
        status = "waits for an answer" if self.status == "suspended" else self.status
        return f"**{text(self.title)}** {status}: {text(self.sentence)}"


def payload_of(
    receipt: Receipt, address: Address, report: str | None, *, deployed: bool
) -> EndPayload:
    """The payload; `report` is the URL of the contact sheet, None if it has none."""
    following = next_step(receipt, deployed=deployed)
    picked = dict(_some((name, one) for name, one in receipt.choices() if one.picked))
    waiting = dict(_some((name, one) for name, one in receipt.choices() if one.waiting))
    found = EndPayload(
        run_id=receipt.run_id,
        name=receipt.name,
        title=receipt.title or receipt.name,
        status=receipt.status,
        sentence=told(receipt),
        credits=receipt.credits.model_dump(include={"spent", "saved", "budget"}),
        outputs={name: _value(value, address) for name, value in receipt.outputs.items()},
        picked={
            step.id: _medium(asset, address)
            for step, item in receipt.each()
            if step.uses == "pick"
            for asset in item.media[:1]
        },
        choices={
            name: {
                **choice.model_dump(mode="json", include={"picked", "by", "notes"}),
                "how": how_picked(choice),
            }
            for name, choice in picked.items()
        },
        questions={name: _question(receipt, one, address) for name, one in waiting.items()},
        troubles=tuple(troubles(receipt)[:_MAX_TROUBLES]),
        report=report,
        next=None if following is None else str(following),
    )
    lines = [found.headline]
    for name, choice in waiting.items():
        lines += _question_lines(name, choice, found.questions[name])
    for step, medium in found.picked.items():
        if isinstance(url := medium["url"], str):
            lines.append(picture(f"picked: {step}", url, to=url))
    lines += [
        f"* {text(name)}: {text(listed(choice.picked))}, picked by {text(how_picked(choice))}"
        for name, choice in picked.items()
        if choice.by is not None
    ]
    media = [(name, one) for name, value in found.outputs.items() for one in assets_in(value)]
    lines += [f"* {link(name, one.url)}" for name, one in media if one.url]
    lines += [f"* {text(trouble)}" for trouble in found.troubles]
    if report:
        lines.append(link("Contact sheet", report))
    if following and following.markdown:
        lines.append(following.markdown)
    return found.model_copy(update={"markdown": "\n".join(lines)})


def _some(choices: Iterator[tuple[str, Choice]]) -> Iterator[tuple[str, Choice]]:
    return itertools.islice(choices, _MAX_MEDIA)


def _value(value: Any, address: Address) -> Any:
    if asset := as_asset(value):
        return _medium(asset, address)
    if isinstance(value, Mapping):
        return {str(name): _value(one, address) for name, one in value.items()}
    if isinstance(value, list):
        return [_value(one, address) for one in value[:_MAX_MEDIA]]
    return value[:MAX_TEXT] if isinstance(value, str) else value


def _medium(asset: Asset, address: Address) -> dict[str, JsonValue]:
    return {**asset.model_dump(include=_OF_MEDIUM), "url": address(asset)}


def _question(receipt: Receipt, choice: Choice, address: Address) -> dict[str, Any]:
    """What the run asks, until when, what happens then, and the candidates with their numbers."""
    then = None
    if choice.then:
        then = deadline_effect(choice.then, choice.count)
        if choice.then != "fail":
            then = f"{then}, and {what_follows(receipt.credits.left)}"
    media = [receipt.media.get(one.sha256 or "") for one in choice.candidates[:_MAX_MEDIA]]
    return {
        **choice.model_dump(mode="json", include={"question", "deadline"}),
        "then": then,
        "candidates": [
            {
                "n": one.n,
                "key": one.key,
                "kind": asset.kind if asset else None,
                "url": address(asset) if asset else None,
            }
            for one, asset in zip(choice.candidates, media, strict=False)
        ],
    }


def _question_lines(name: str, choice: Choice, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"**{text(name)}**: {text(choice.question)}"
    if choice.deadline and found["then"]:
        yield text(f"Open until {utc_minute(choice.deadline)}; after that {found['then']}.")
    named = [(f"{one['n']} {one['key']}", one) for one in found["candidates"]]
    yield " · ".join(link(words, one["url"]) if one["url"] else text(words) for words, one in named)
    pictures = (
        picture(words, one["url"]) for words, one in named if one["url"] and one["kind"] == "image"
    )
    yield from itertools.islice(pictures, _MAX_PICTURES)
