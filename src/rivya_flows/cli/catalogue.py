"""`models` and `credits`: the models of the service, and the credits of the account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rivya_client.catalogue.prices import price, price_range
from rivya_flows.cli import completion, options
from rivya_flows.cli.declaration import argument, command, option
from rivya_flows.cli.output import print_json, print_table, show, show_result
from rivya_flows.cli.service import asked, catalogue_of, settings
from rivya_flows.errors import UsageError
from rivya_flows.receipt.phrases import credits_of
from rivya_flows.similar_names import nearest

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_client.catalogue.catalogue import Catalogue, Model, Param, ReferenceRule, Voice
    from rivya_client.client import RivyaClient
    from rivya_flows.engine.run_context import RunContext


@command()
def models(
    model_id: str | None = argument(metavar="[ID]", shell_complete=completion.models),
    kind: str | None = option(
        "List only the models that make this.",
        type=click.Choice(["image", "video", "audio", "chat"]),
    ),
    live: bool = option("Ask the service, also without a key."),
    sandbox: bool = option("Ask the local sandbox."),
    as_json: bool = options.JSON,
) -> None:
    """List the models, or show one with its parameters and price.

    ID may be a part of ids, such as veo, which lists those that have it. With a key, it asks the
    service; without one, it shows the catalogue of this package.
    """
    live = live or sandbox or settings().rivya_api_key is not None
    catalogue = catalogue_of(live=live, sandbox=sandbox)
    of = {"date": catalogue.date, "source": catalogue.source}
    model_id = model_id or ""
    model = catalogue.get(model_id)
    found = [one for one in catalogue.models.values() if model_id.lower() in one.id]
    if model is None and found:
        of_kind = [one for one in found if kind in (None, one.category)]
        if not of_kind:
            kinds = ", ".join(sorted({one.category for one in found}))
            hint = f"those that have make {kinds}; leave --kind out to list them"
            raise UsageError(f"no model of --kind {kind} has {model_id!r} in its id", hint)
        if as_json:
            print_json(
                {**of, "models": [{**vars(one), "price": price(one, {})} for one in of_kind]}
            )
        else:
            _print_all(catalogue, of_kind)
        return
    if model is None:
        near = nearest(model_id, catalogue.models)
        hint = f"did you mean {near!r}?" if near else "`rivya-flows models` lists them"
        raise UsageError(f"there is no model {model_id!r}", hint)
    if as_json:
        print_json({**of, "model": {**vars(model), "price": price(model, {})}})
    else:
        _print_one(model)


@command()
def credits(sandbox: bool = option("Ask the local sandbox."), as_json: bool = options.JSON) -> None:
    """Show the credits of the account."""

    async def read(client: RivyaClient, context: RunContext) -> tuple[int, str]:
        return (await client.credits.retrieve()).current_credits, context.service.base_url

    number, address = asked(read, sandbox=sandbox)
    document = {"credits": number, "service": address}
    show_result(f"{credits_of(number)} at {address}", document=document, as_json=as_json)


def _print_all(catalogue: Catalogue, found: Sequence[Model]) -> None:
    rows = [
        [
            model.id,
            model.category,
            _price(model),
            ", ".join(model.supported_modes),
            _references(model.references),
            "" if model.api_status == "available" else model.api_status,
        ]
        for model in found
    ]
    print_table(["!model", "kind", ">credits", "does", "?references", ""], rows)
    show("", f"{len(rows)} models, catalogue of {catalogue.date}, {catalogue.source}")


def _price(model: Model) -> str:
    known = price(model, {})
    return price_range(known.min, known.max)


def _references(rule: ReferenceRule | None) -> str:
    if rule is None:
        return "–"
    most = f", at most {rule.max_files}" if rule.max_files else ""
    return ", ".join(rule.kinds) + most


def _print_one(model: Model) -> None:
    known, longest = price(model, {}), model.max_prompt_length
    prompt = "required" if model.prompt_required else "optional"
    prompt += f", at most {longest:,} characters" if longest else ""
    show(f"{model.id}  {model.display_name}")
    facts = [
        ("kind", model.category),
        ("status", model.api_status),
        ("credits", f"{_price(model)} ({known.assumption})"),
        ("modes", ", ".join(model.supported_modes)),
        ("prompt", prompt),
        ("references", model.references.rule if model.references else ""),
        *(("notice", notice) for notice in model.notices),
    ]
    for name, words in facts:
        if words:
            show(f"  {name:<11}{words}")
    if model.params:
        show("")
        rows = [_row(one) for one in model.params]
        print_table(["parameter", "type", "default", "values", ""], rows)
    for param in model.params:
        if param.voices:
            show("")
            columns = [param.key, "!id", "sex", "accent", "character"]
            print_table(columns, [_voice(one) for one in param.voices])
    if any(param.bears_price for param in model.params):
        show("", "* values other than the default may change the price")


def _row(param: Param) -> list[str]:
    marks = ("required " if param.required else "") + ("*" if param.bears_price else "")
    default = "" if param.default is None else str(param.written_default)
    if isinstance(param.written_default, bool):
        default = default.lower()
    return [param.key, param.type, default, _values(param), marks.strip()]


def _voice(voice: Voice) -> list[str]:
    value = "–" if voice.value == voice.name else voice.value
    return [voice.name, value, voice.sex, voice.accent or "–", voice.character]


def _values(param: Param) -> str:
    if param.voices and len(param.voices) == len(param.options):
        return "see below"
    if param.options:
        return ", ".join(param.options)
    if param.min is None and param.max is None:
        return ""
    bounds = (("from", param.min), ("to", param.max), ("in steps of", param.step))
    return " ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)
