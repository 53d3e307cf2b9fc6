"""`chat`: asks a chat model, for a text or for fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import JsonValue

from rivya_client.catalogue.prices import Price, price
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.answers import read_expect
from rivya_flows.language.canonical import canonical, whole
from rivya_flows.language.expressions.inference import TEXTS
from rivya_flows.language.expressions.output_types import ANY, PROSE, Shape, Unknown, has_unknown
from rivya_flows.language.expressions.resolve import is_computed
from rivya_flows.language.field_errors import CHAT
from rivya_flows.language.field_types import SpecModel, Takes, Value
from rivya_flows.language.request_checks import check_chat, check_prompt
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import preview
from rivya_flows.steps.arguments import ArgumentMedia, Arguments, World, is_certain
from rivya_flows.steps.kind import Kind, Names, Surroundings, WrittenStep, given_fields
from rivya_flows.steps.request import (
    ItemRequest,
    Route,
    UploadedFile,
    content_hash,
    model_known_later,
    priced_by,
)
from rivya_flows.steps.structured_output import instruction

EFFORTS = ("default", "minimal", "low", "medium", "high", "xhigh")
"""The values of `reasoning_effort`."""


class ChatWith(SpecModel):
    """What `chat` takes.

    Attributes:
        model: Id of a chat model.
        message: The message to the model.
        session: `session_id` of an earlier chat step, to continue it.
        attachments: Images for the model.
        reasoning_effort: How much the model thinks, if it supports that.
        web_search: Whether the model may search the web, if it supports that.
        expect: The fields that the answer must have: names with `string`, `integer`, `number`,
            `boolean` or `date`, `[string]`, `[{name: string}]`, a nested map, or a map with `type`.
    """

    model: Annotated[Value, Takes(("text",), is_examined=True)]
    message: Annotated[Value, Takes(TEXTS)]
    session: Annotated[Value, Takes(("text",))] = None
    attachments: Annotated[
        Value, Takes(("list", "asset", "text"), is_file=True, media=("image",))
    ] = None
    reasoning_effort: Annotated[Value, Takes(choices=EFFORTS)] = None
    web_search: Annotated[Value, Takes(("boolean",))] = None
    expect: dict[str, Any] | None = None


class Chat(Kind):
    uses = "chat"
    says = "Asks a chat model."
    takes = ChatWith
    outputs = ("text", "json", "session_id", "usage")
    idle = ("regenerate", "fallback", "quality", "timeout")
    route = Route(
        "chat",
        lambda client, body, key, retry: client.chat.complete(
            body, idempotency_key=key, retry=retry
        ),
        "chat",
    )
    passes_on = True
    examples = MappingProxyType({"model": CHAT})
    is_quick = True

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        message, expect = world.branding.with_notes(given.text("message")), given.get("expect")
        is_form = isinstance(expect, Mapping) and bool(expect) and not has_unknown(expect)
        added = len(instruction(expect)) if is_form else 0
        media = given.media("attachments", world.files)
        given.report(_no_images(media))
        models = given.models(world.catalogue, self.uses)
        for model in models:
            if isinstance(message, Unknown):
                given.report(check_prompt(model, None, least=message.least + added))
            elif "message" in given.values or not given.is_written:  # else the model reports it
                text = None if message is None else message + " " * added
                given.report(check_prompt(model, text))
            certain_values = {key: one for key, one in given.values.items() if is_certain(one)}
            given.report(check_chat(model, certain_values))
        if given.problems or not (given.is_complete and models and isinstance(message, str)):
            return None
        [model] = models
        arguments = self.sent_arguments(given, world)
        asked = {name: one for name, one in arguments.items() if name != "attachments"}
        identity = ["chat", world.service, asked, [one.source for one in media.media]]
        return ItemRequest(
            self.uses,
            arguments,
            model.id,
            "",
            media.media,
            self.route,
            price(model, {}, message),
            content_hash(identity, media.media),
            priced_by(model, {}, message),
        )

    def sent_arguments(self, given: Arguments, world: World) -> Mapping[str, Any]:
        return {**given.values, "message": world.branding.with_notes(given.text("message"))}

    def expected_price(self, known: Mapping[str, Any], world: World) -> tuple[str | None, Price]:
        model = world.catalogue.get(str(known["model"]))
        return model_known_later() if model is None else (model.id, price(model, {}, None))

    def body(self, request: ItemRequest, files: Sequence[UploadedFile], trace: str) -> str:
        return chat_body(request, files, trace)

    def expects(self, with_: SpecModel) -> JsonValue:
        return with_.expect if isinstance(with_, ChatWith) else None

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        session = replace(PROSE, session_of=str(arguments.get("model")))
        fields = {"text": PROSE, "session_id": session, "usage": ANY}
        if arguments.get("expect") is not None:
            return given_fields({**fields, "json": read_expect(arguments["expect"])[0].shape()})
        hint = "add `expect: {name: string}` to that step, or use .text"
        return given_fields(fields, {"json": hint})

    def check(
        self, given: Arguments, step: WrittenStep, around: Surroundings
    ) -> Iterator[Diagnostic]:
        if isinstance(expect := given.get("expect"), dict):
            for one in read_expect(expect)[1]:
                yield replace(one, path=("expect", *one.path))
        session, model = given.get("session"), given.get("model")
        shape = session.shape if isinstance(session, Unknown) else ANY
        of = shape.session_of
        if shape.is_prose and of is None:
            message = "'session' takes the session of a chat, and this text is none"
            hint = 'write "${{ steps.NAME.session_id }}"'
            yield Diagnostic("wrong-type", message, hint, path=("session",))
        elif of is not None and isinstance(model, str) and of != model and not is_computed(of):
            message = f"the session is of {of!r}, and this step asks {preview(model)}"
            hint = f"write `model: {of}`, or leave 'session' out"
            yield Diagnostic("wrong-value", message, hint, path=("session",))


def chat_body(
    request: ItemRequest,
    files: Sequence[UploadedFile],
    trace: str,
    *,
    session: str | None = None,
    message: str | None = None,
) -> str:
    """The exact body of ``POST /chat/completions`` (contract, section 6.2), also of a judge.

    Args:
        session: Session to continue; None takes that of the request, or a new one.
        message: Overrides the message of the request, to ask again.
    """
    given = request.arguments
    text = message if message is not None else given["message"]
    if expect := given.get("expect"):
        text = f"{text}{instruction(expect)}"
    body: dict[str, JsonValue] = {
        "model": request.model,
        "message": text,
        "client_request_id": trace[:128],
    }
    if session or given.get("session"):
        body["session_id"] = session or given["session"]
    if files and message is None:
        body["attachments"] = [{"file_id": file.id} for file in files]
    if given.get("web_search") is not None:
        body["enable_web_search"] = given["web_search"]
    if given.get("reasoning_effort") is not None:
        body["reasoning_effort"] = given["reasoning_effort"]
    return whole(canonical(body))


def _no_images(media: ArgumentMedia) -> Iterator[Diagnostic]:
    """Attachments that are no images."""
    listed = enumerate(media.kinds) if media.each is None else [(None, media.each)]
    for index, kind in listed:
        if kind not in (None, "image"):
            path: Path = ("attachments",) if index is None else ("attachments", index)
            message = f"a chat takes images as attachments, not {kind}"
            hint = "remove it, or use a still image"
            yield Diagnostic("references-refused", message, hint, path=path)
