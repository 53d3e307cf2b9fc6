"""`upload`, `notify` and `include`: a file into a run, a callback out of it, another spec inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from rivya_client.catalogue.catalogue import Model
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.cut_places import CutMedium
from rivya_flows.language.expressions.output_types import TEXT, Shape, Unknown, asset, of_include
from rivya_flows.language.expressions.resolve import is_computed
from rivya_flows.language.field_types import MediaKind, Name, SpecModel, Takes, Value
from rivya_flows.language.request_checks import check_model, check_reference_files
from rivya_flows.language.secret_names import RESERVED_HINT, is_secret_name, names_secret, refusal
from rivya_flows.language.syntax.media_references import KINDS, kind_of
from rivya_flows.language.wording import preview
from rivya_flows.steps.arguments import ArgumentMedia, Arguments, World
from rivya_flows.steps.kind import UNPAID, Kind, Names, given_fields
from rivya_flows.steps.request import ItemRequest, named_file


class UploadWith(SpecModel):
    """What `upload` takes.

    Attributes:
        file: A path beside the spec, a URL, or a file input.
        kind: The kind of media that the file must be.
        model: The model that the file is meant for; its limits are checked.
    """

    file: Annotated[Value, Takes(("asset", "text"), is_file=True)]
    kind: MediaKind | None = None
    model: str | None = None


class Upload(Kind):
    uses = "upload"
    says = "Uploads a file of your own to the service."
    takes = UploadWith
    outputs = ("asset", "id", "url")
    idle = (*UNPAID, "budget")
    reads = ("file",)
    fetches = True
    gives_media = True
    is_quick = True
    brackets = ("[/", "/]")

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        named = given.get("model")
        if is_computed(named) and given.is_written:
            message = "the model of an upload cannot be an expression"
            given.problem("expression-not-allowed", message, "write its id, or remove it", "model")
            return None
        if "file" not in given.values and not given.is_written:
            message = "'file' is nothing"
            hint = "a condition with `if:` skips the step"
            given.problem("missing-key", message, hint, "file")
            return None
        media = given.media("file", world.files)
        model = world.catalogue.get(named) if isinstance(named, str) else None
        if isinstance(named, str) and model is None and given.is_written:
            given.report(check_model(world.catalogue, named, self.uses))
        elif model is not None and model.makes is not None:
            given.report(_model_problems(model, media, given))
        if given.problems or not given.is_complete:
            return None
        file = named_file(given.values["file"], world.files)
        return ItemRequest(self.uses, {**given.values, "file": file})

    def files(self, arguments: Mapping[str, Any]) -> Iterator[CutMedium]:
        kind = arguments.get("kind")  # the model of the step reports any other
        for one in super().files(arguments):
            yield one._replace(kinds=(kind,)) if kind in KINDS else one

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        kind, file = arguments.get("kind"), arguments.get("file")
        if kind is None and isinstance(file, str):
            kind = names.shape_of(file).media if is_computed(file) else kind_of(file)
        made = asset(kind if isinstance(kind, str) else None)
        return given_fields({"asset": made, "id": TEXT, "url": TEXT})


def _model_problems(model: Model, media: ArgumentMedia, given: Arguments) -> Iterator[Diagnostic]:
    """Why the model that a file is meant for does not take it."""
    if media.media:
        one = media.media[0]
        size = one.asset.size_bytes if one.asset else None
        yield from check_reference_files(model, [one.media], [size], [one.mime_type])
        return
    kind = given.get("kind")
    for named in (kind,) if kind in KINDS else media.kinds:
        if named is not None and (model.references is None or named not in model.references.kinds):
            message = f"{model.id!r} takes no {named} files"
            hint = "name the model that gets the file, or leave 'model' out"
            yield Diagnostic("references-refused", message, hint, path=("model",))


class NotifyWith(SpecModel):
    """What `notify` takes.

    Attributes:
        url: The URL of the callback, or the name of a secret that holds it.
        body: The body of the callback: any value.
        secret: Name of the secret that signs it: `env:NAME` or `block:NAME`.
    """

    url: Annotated[
        Value,
        Takes(
            ("text",),
            address=("a URL or the name of a secret", "write the URL, or take it from an input"),
        ),
    ]
    body: Annotated[Value, Takes()] = None
    secret: Annotated[Value, Takes(("text",), is_examined=True)] = None


class Notify(Kind):
    uses = "notify"
    says = "Sends a signed callback to a URL."
    takes = NotifyWith
    idle = (*UNPAID, "budget")
    is_for_results = False
    calls_back = True
    passes_on = True
    is_quick = True
    brackets = ("([", "])")

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        url, secret = given.get("url"), given.get("secret")
        if isinstance(url, str) and not (names_secret(url) or _is_address(url)):
            message = f"{preview(url)} is not an http(s) URL"
            given.problem("bad-address", message, "write https://example.com/hook", "url")
        if secret is not None and not isinstance(secret, Unknown) and not is_secret_name(secret):
            # The value may be the secret itself, so it is not shown.
            message = "name the secret instead of writing its value"
            given.problem("bad-secret", message, "write env:NAME or block:NAME", "secret")
        for key, value in (("url", url), ("secret", secret)):
            if reason := refusal(value):
                given.problem("reserved-secret", reason, RESERVED_HINT, key)
        return super().request(given, world)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = url.startswith(("http://", "https://")) and bool(parts.hostname)
        return named and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


class IncludeWith(SpecModel):
    """What `include` takes.

    Attributes:
        spec: Path of the other spec, from the folder of this one.
        inputs: Values of the other spec's inputs.
    """

    spec: str
    inputs: dict[Name, Value] = Field(default_factory=dict)


class Include(Kind):
    uses = "include"
    says = "Runs another spec as part of this one."
    takes = IncludeWith
    outputs = ("outputs", "assets")
    idle = (
        "retry",
        "regenerate",
        "fallback",
        "quality",
        "timeout",
        "max_parallel",
        "cache",
        "budget",
    )
    buys = True
    is_for_results = False
    passes_on = True

    @property
    def name(self) -> str:
        return "an included spec"

    def idle_hint(self, key: str) -> str:
        return "set it on the steps of that spec"

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        return of_include(None)
