"""What a run shows outside its machine: addresses of media and contact sheets, and the payload of its end."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, JsonValue

from rivya_flows.assets import Asset, as_asset, assets_in
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import RivyaError
from rivya_flows.markdown import link, picture, text
from rivya_flows.media.decoding import poster
from rivya_flows.processes import registry
from rivya_flows.questions.open_questions import utc_minute
from rivya_flows.receipt.continuing import next_step
from rivya_flows.receipt.from_journal import Recorded, recorded_asset
from rivya_flows.receipt.model import Choice, Receipt
from rivya_flows.receipt.questions import MediaLinks, deadline_effect, what_follows
from rivya_flows.receipt.summary import decision, full_sentence, how_picked, troubles
from rivya_flows.receiver.addresses import (
    SECRET_NAME,
    asset_address,
    report_address,
    upload_address,
)
from rivya_flows.settings import Settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.secrets import shared_secret


def address_of(context: RunContext, asset: Asset) -> str | None:
    """The receiver's address of a medium, else that of the service, which may not last; or None."""
    public_url = context.settings.rivya_flows_public_url
    if public_url:
        return asset_address(public_url, context.address_secret, asset.sha256, asset.mime_type)
    return asset.url if asset.url and asset.url.startswith(("http://", "https://")) else None


def addresses_of(context: RunContext, media: Recorded) -> Callable[[object], str | None]:
    """Gives the address of a medium of a run; None for what only looks like one."""

    def address(value: object) -> str | None:
        asset = recorded_asset(value, media)
        return None if asset is None else address_of(context, asset)

    return address


def media_links(
    context: RunContext, media: Recorded, sides: Mapping[str, int], most: int | None = None
) -> MediaLinks:
    """Finds the media of a run, with at most `most` small pictures of so many pixels by kind."""
    drawn: dict[str, str | None] = {}

    def still(value: Asset) -> str | None:
        asset = recorded_asset(value, media)
        if asset is None or asset.kind not in sides or not context.settings.rivya_flows_public_url:
            return None
        if asset.sha256 not in drawn and (most is None or len(drawn) < most):
            drawn[asset.sha256] = _still(context, asset.sha256, sides[asset.kind])
        return drawn.get(asset.sha256)

    return MediaLinks(addresses_of(context, media), still)


def _still(context: RunContext, sha256: str, side: int) -> str | None:
    """The address of a small picture, which is stored beside its medium."""
    file = context.scratch / f"still-{uuid.uuid4().hex}.jpg"
    try:
        drawn = poster(context.assets.local_path(sha256), side=side)
        if drawn is None:
            return None
        file.write_bytes(drawn)
        sha256 = context.assets.put(file)
        return address_of(context, Asset(kind="image", mime_type="image/jpeg", sha256=sha256))
    except (RivyaError, OSError):
        return None
    finally:
        file.unlink(missing_ok=True)


def report_of(context: RunContext, run_id: str) -> str | None:
    """The address of the contact sheet of a run; None without a receiver."""
    public_url = context.settings.rivya_flows_public_url
    return report_address(public_url, context.address_secret, run_id) if public_url else None


def receiver_url(settings: Settings, prefect_api_url: str | None) -> str | None:
    """The address of the receiver for browsers: that of the settings, or of an `up` with this Prefect server."""
    if settings.rivya_flows_public_url is not None:
        return settings.rivya_flows_public_url
    parts = registry.read(settings.data)
    server, receiver = parts.part("server"), parts.part("receiver")
    if server is None or receiver is None:
        return None
    ours = prefect_api_url or server.url
    return receiver.url if urlsplit(ours).port == urlsplit(server.url).port else None


def upload_page(settings: Settings, prefect_api_url: str) -> str | None:
    """The address of the page that takes files for run forms; None without a receiver."""
    public_url = receiver_url(settings, prefect_api_url)
    if not public_url:
        return None
    with closing(Journal(settings.store_url)) as journal:
        return upload_address(public_url, shared_secret(journal.engine, SECRET_NAME))


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
    choices = [*receipt.choices()]
    picked = dict([pair for pair in choices if pair[1].picked][:_MAX_MEDIA])
    waiting = dict([pair for pair in choices if pair[1].waiting][:_MAX_MEDIA])
    found = EndPayload(
        run_id=receipt.run_id,
        name=receipt.name,
        title=receipt.title or receipt.name,
        status=receipt.status,
        sentence=full_sentence(receipt),
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
        f"* {text(name)}: {text(decision(choice))}"
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
    yield " · ".join(link(label, one["url"]) if one["url"] else text(label) for label, one in named)
    pictures = (
        picture(label, one["url"]) for label, one in named if one["url"] and one["kind"] == "image"
    )
    yield from itertools.islice(pictures, _MAX_PICTURES)
