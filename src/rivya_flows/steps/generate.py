"""`generate`: buys a picture, a film or a sound."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, JsonValue

from rivya_client.catalogue.catalogue import Catalogue, Model, Param
from rivya_client.catalogue.common import COMMON, COMMON_NAMES, common_params
from rivya_client.catalogue.prices import Price, price
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.brand import with_words
from rivya_flows.language.canonical import canonical, whole
from rivya_flows.language.common_params import asked_seconds, in_own_words
from rivya_flows.language.expressions.inference import TEXTS
from rivya_flows.language.expressions.output_types import (
    PROSE,
    Shape,
    Unknown,
    asset,
    has_unknown,
    list_of,
)
from rivya_flows.language.field_types import Flag, SpecModel, Takes, Value, keys_of
from rivya_flows.language.quality import Expected
from rivya_flows.language.request_checks import check_prompt, coerce_params
from rivya_flows.language.wording import an
from rivya_flows.similar_names import nearest
from rivya_flows.steps.arguments import Arguments, World, member_shapes, reference_problems
from rivya_flows.steps.kind import Kind, Names, given_fields
from rivya_flows.steps.request import (
    ItemRequest,
    Medium,
    Route,
    UploadedFile,
    content_hash,
    model_known_later,
    priced_by,
)

_NUMBER = Takes(("number", "text"), is_examined=True)


class GenerateWith(SpecModel):
    """What `generate` takes.

    Attributes:
        model: Id of a model for images, videos or audio.
        prompt: What to generate; for a voice, what to say.
        aspect: Width to height, such as `9:16`, or `auto`.
        seconds: How long the film or the sound lasts, in seconds or such as `8s`.
        seed: A whole number that repeats a result.
        resolution: Such as `1080p` or `2K`.
        params: The model's own parameters.
        references: Reference media: assets of steps, file inputs, or files beside the spec.
            They are uploaded.
        brand: Whether the words of the brand are added to the prompt.
    """

    model: Annotated[Value, Takes(("text",), is_examined=True)]
    prompt: Annotated[Value, Takes(TEXTS)] = None
    aspect: Annotated[Value, Takes(("text",), is_examined=True)] = None
    seconds: Annotated[Value, _NUMBER] = None
    seed: Annotated[Value, _NUMBER] = None
    resolution: Annotated[Value, Takes(("text",), is_examined=True)] = None
    params: Annotated[Value, Takes(("map",))] = Field(default_factory=dict)
    references: Annotated[
        Value,
        Takes(("list", "asset", "text"), is_file=True, hint='write ["${{ steps.NAME.asset }}"]'),
    ] = None
    brand: Flag = True


_SINGLE = ("select", "number", "text")
"""Types of parameters whose values are single ones."""

_MAX_HINTS = 100  # more would take long to find
_MAX_KEY = 64


class Generate(Kind):
    uses = "generate"
    says = "Generates an image, a video or audio."
    takes = GenerateWith
    outputs = ("asset", "assets", "task_id")
    route = Route(
        "generation",
        lambda client, body, key, retry: client.generations.create(
            body, idempotency_key=key, retry=retry
        ),
    )
    idle = ()
    gives_media = True
    row = ("alternative", "faults")

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        prompt, media = given.text("prompt"), given.media("references", world.files)
        wanted, params = given.get("brand") is not False, dict[str, Any]()
        models = given.models(world.catalogue, self.uses)
        for model in models:
            added = world.branding.words_for(model, wanted)
            if isinstance(prompt, Unknown):
                least = prompt.least + len(added)
                given.report(check_prompt(model, None, len(added), least))
            else:
                own = prompt and world.branding.with_notes(prompt, model)
                text = own and with_words(own, added)
                given.report(check_prompt(model, text, len(text or "") - len(own or "")))
            params = _params(model, given)
            is_given = given.get("references") is not None
            given.report(reference_problems(model, media, is_given=is_given))
        if given.problems or not given.is_complete or not models:
            return None
        [model] = models
        text = prompt if isinstance(prompt, str) else None
        if text is not None:
            text = world.branding.full_prompt(model, text, wanted)
        arguments = _arguments_of_a_request(given.values)
        sent = {"model": model.id, "prompt": text, "params": params}
        identity = [world.service, *sent.values(), [one.source for one in media.media]]
        # A further argument of the kind makes another request without a line here.
        identity += [[*one] for one in arguments.items() if one[0] not in (*sent, "references")]
        return ItemRequest(
            self.uses,
            {**arguments, "params": params, "prompt": text},
            model.id,
            model.category,
            media.media,
            self.route,
            price(model, params, text),
            content_hash(["generation", *identity], media.media),
            priced_by(model, params, text),
        )

    def sent_arguments(self, given: Arguments, world: World) -> Mapping[str, Any]:
        arguments = _arguments_of_a_request(given.values)
        model = world.catalogue.get(str(given.get("model")))
        prompt, params = given.text("prompt"), given.get("params") or {}
        if model is not None and isinstance(prompt, str):
            prompt = world.branding.full_prompt(model, prompt, given.get("brand") is not False)
        if model is not None and isinstance(params, Mapping):
            params = {**params, **in_own_words(model, given.values)[0]}
            params = params if has_unknown(params) else coerce_params(model, params)[0]
        return {**arguments, "prompt": prompt, "params": params}

    def expected_price(self, known: Mapping[str, Any], world: World) -> tuple[str | None, Price]:
        model = world.catalogue.get(str(known["model"]))
        if model is None:
            return model_known_later()
        params, prompt = known["params"] or {}, None
        if isinstance(known["prompt"], str):
            prompt = world.branding.full_prompt(model, known["prompt"], known["brand"])
        own, _ = in_own_words(model, known)
        expected = price(model, {**params, **own} if isinstance(params, dict) else own, prompt)
        if not isinstance(params, dict) and expected.max is not None:
            expected = Price(expected.min, None, "its parameters are known during the run")
        return model.id, expected

    def body(self, request: ItemRequest, files: Sequence[UploadedFile], trace: str) -> str:
        """The exact body of ``POST /generations`` (contract, sections 4.1 and 4.2)."""
        given = request.arguments.get("params")
        params = {**given} if isinstance(given, dict) else {}
        if files:
            params["referenceMediaItems"] = [
                _reference_item(medium, file)
                for medium, file in zip(request.uploads, files, strict=True)
            ]
        body: dict[str, JsonValue] = {"model": request.model}
        if request.arguments.get("prompt") is not None:
            body["prompt"] = request.arguments["prompt"]
        if params:
            body["params"] = params
        return whole(canonical({**body, "client_request_id": trace[:128]}))

    def expected_media(self, request: ItemRequest, catalogue: Catalogue) -> Expected:
        model = catalogue.get(request.model or "")
        return Expected() if model is None else _expected_media(model, request)

    def takes_words(self, with_: SpecModel) -> bool:
        return isinstance(with_, GenerateWith) and with_.prompt is not None and with_.brand

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        named = arguments.get("model")
        model = names.catalogue.get(named) if isinstance(named, str) else None
        made = asset(model.makes if model else None)
        return given_fields({"asset": made, "assets": list_of(made), "task_id": PROSE})

    def elsewhere(self, keys: Collection[str]) -> Mapping[str, str]:
        known = keys_of(self.takes)
        own = f"there are: {', '.join(known)}; parameters of the model belong in `params:`"
        unknown = [key for key in keys if key not in known][:_MAX_HINTS]
        hints = {key: own for key in unknown if len(key) > _MAX_KEY or not nearest(key, known)}
        common = {key: COMMON_NAMES[key] for key in unknown if key in COMMON_NAMES}
        return hints | {key: f"write `{name}:`, as for every model" for key, name in common.items()}


_SOUND = ("sound", "generate_audio")
"""What models of films call whether there is sound. Source: the list of models."""


def _expected_media(model: Model, request: ItemRequest) -> Expected:
    """A model may take the shape of a reference where none is asked for."""
    params = request.arguments.get("params")
    sent = params if isinstance(params, Mapping) else {}
    takes, aspect = common_params(model).get("aspect"), None
    if takes is not None and takes.own.key in sent:
        spelled = {own: common for common, own in takes.spelled.items()}
        wide, _, high = spelled.get(str(sent[takes.own.key]), "").partition(":")
        aspect = int(wide) / int(high) if high else None
    switch = next(filter(None, map(model.param, _SOUND)), None)
    asked = switch is not None and sent.get(switch.key, switch.default) in (True, "true")
    has_voice = any(one.media == "audio" for one in request.uploads)
    has_sound = model.category == "audio" or (model.category == "video" and (asked or has_voice))
    return Expected(asked_seconds(model, request.arguments), aspect, has_sound, model.makes)


def _arguments_of_a_request(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without those that are sent as others."""
    return {name: one for name, one in given.items() if name not in ("brand", *COMMON)}


def _params(model: Model, given: Arguments) -> dict[str, Any]:
    """The parameters in wire form; the mistakes in them are reported."""
    params = given.get("params") or {}
    own, wrong_common = in_own_words(model, given.values)
    given.report(wrong_common)
    if not isinstance(params, Mapping):
        return {}
    if not given.is_written:  # `${{ … or none }}` leaves one out; an author removes its key
        params = {key: value for key, value in params.items() if value is not None}
    unknown = [key for key, value in params.items() if has_unknown(value)]
    coerced, wrong = coerce_params(model, params, unknown=unknown)
    given.report(wrong)
    for key in unknown:
        value, param = params[key], model.param(key)
        if param is None:
            continue
        if param.type == "array":
            given.report(_member_problems(model, param, value))
        if not isinstance(value, Unknown):
            continue
        if param.type in _SINGLE and value.shape.kind in ("asset", "list", "map"):
            message = f"{key!r} must be a single value, but this is {an(value.shape.kind)}"
            hint = "pick one item with [0], or name one of its fields"
            given.problem("bad-param", message, hint, "params", key)
            continue
        if param.type == "array" and value.shape.kind not in ("any", "list"):
            message = f"{key!r} must be a list, but this is {an(value.shape.kind)}"
            given.problem("bad-param", message, "write [ ] around it", "params", key)
            continue
        # One value of several may be wrong in the same way. Not every model meets every value.
        is_fixed = not isinstance(given.get("model"), Unknown)
        found = {
            one.message: one
            for possible in (value.possible if is_fixed else ())
            for one in coerce_params(model, {key: possible})[1]
            if one.path == ("params", key)
        }
        given.report(found.values())
    return {**coerced, **own}


def _member_problems(model: Model, param: Param, value: Any) -> Iterator[Diagnostic]:
    """What is wrong with a list of maps that is computed, or has computed members."""
    keys, path = param.item_keys, ("params", param.key)
    items = f"each item is {{{', '.join(keys)}}}"
    for index, shape in member_shapes(value) if keys else ():
        is_computed = index is None or isinstance(value[index], Unknown)
        place = path if index is None else (*path, index)
        if is_computed and shape.kind not in ("any", "map"):
            message = f"{param.key}[{index}] must be a map, but this is {an(shape.kind)}"
            if index is None:
                message = (
                    f"{param.key!r} takes a list of maps, but this is a list of {shape.kind} values"
                )
            yield Diagnostic("bad-param", message, items, path=place)
        elif is_computed and shape.fields is not None:
            wrong = [f"have no {key!r}" for key in param.item_required if key not in shape.fields]
            wrong += [f"have an unknown key {key!r}" for key in shape.fields if key not in keys]
            if wrong:
                message = f"the maps of {param.key!r} {wrong[0]}"
                yield Diagnostic("bad-param", message, items, path=place)
    if isinstance(value, list):
        computed = dict.fromkeys(keys, "computed")
        known = [computed if isinstance(one, Unknown) else one for one in value]
        found = coerce_params(model, {param.key: known})[1]
        yield from (one for one in found if one.path == path)


def _reference_item(medium: Medium, file: UploadedFile) -> JsonValue:
    item = {
        "url": file.url,
        "kind": medium.media,
        "name": file.name,
        "mimeType": file.mime_type,
        "durationSeconds": file.duration_seconds,
        "durationToken": file.duration_token,
    }
    return {name: value for name, value in item.items() if value is not None}
