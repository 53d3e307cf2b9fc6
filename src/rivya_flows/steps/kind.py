"""A kind of step: everything that the rest of the product asks about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import JsonValue

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.prices import Price
from rivya_flows.assets import with_assets
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.canonical import canonical, digest, whole
from rivya_flows.language.cut_places import CutMedium
from rivya_flows.language.expressions.output_types import ANY, NUMBER, PROSE, Scope, Shape, map_of
from rivya_flows.language.expressions.resolve import steps_named
from rivya_flows.language.field_types import SpecModel, Takes, Value, fields_of
from rivya_flows.language.matrix import LOOPS
from rivya_flows.language.quality import Expected
from rivya_flows.language.syntax.tree import Path as TreePath
from rivya_flows.language.wording import an
from rivya_flows.language.workflow import Part
from rivya_flows.steps.arguments import Arguments, World
from rivya_flows.steps.request import FUNCTION, ItemRequest, PricedBy, Route, UploadedFile

UNPAID = ("regenerate", "fallback", "quality", "timeout", "max_parallel", "cache", "repeat")
"""Keys of a step that have no effect where nothing is bought."""


class Names(Protocol):
    """What a spec says of the names in it."""

    catalogue: Catalogue

    def shape_of(self, value: Any) -> Shape:
        """The shape of an argument, which may read the variables of loops."""

    def member(self, values: Any) -> Shape:
        """The shape of the members of a list, literal or computed."""


@dataclass(frozen=True)
class WrittenStep:
    """A step as its author wrote it, right or wrong.

    Attributes:
        keys: Of its map, with `defaults` merged in.
        kind: None if there is no such kind, or if it is broken.
    """

    part: Part
    id: str
    keys: dict[str, Any]
    kind: Kind | None

    @property
    def path(self) -> TreePath:
        return (self.part, self.id)

    def get(self, key: str) -> Any:
        """The value of a key; None if there is none."""
        return self.keys.get(key)

    @property
    def arguments(self) -> dict[str, Any] | None:
        """Its `with`; None if that is no map."""
        held = self.keys.get("with")
        return held if isinstance(held, dict) else None

    @property
    def loops(self) -> list[str]:
        """The keys that make it fan out; one of them, if it is right."""
        return [loop for loop in LOOPS if self.keys.get(loop) is not None]

    @property
    def repeat(self) -> dict[str, Any] | None:
        """Its `repeat`; None if that is no map."""
        held = self.keys.get("repeat")
        return held if isinstance(held, dict) else None

    @property
    def variable(self) -> Any:
        """The name of the loop variable of its `foreach`."""
        return self.keys.get("as", "item")

    @property
    def needs(self) -> list[tuple[int, str]]:
        """The steps that it waits for, with their places in `needs`."""
        listed = self.keys.get("needs")
        members = enumerate(listed if isinstance(listed, list) else ())
        return [(index, name) for index, name in members if isinstance(name, str)]

    @property
    def reads(self) -> frozenset[str]:
        """The steps that it names anywhere, right or wrong."""
        return steps_named([*self.keys.values()]) | {name for _, name in self.needs}

    @property
    def fallbacks(self) -> list[tuple[int, dict[str, Any]]]:
        """Its alternatives, with their places in `fallback`; none if its kind has none."""
        listed = () if self.kind and "fallback" in self.kind.idle else self.keys.get("fallback")
        members = enumerate(listed if isinstance(listed, list) else ())
        return [(index, one) for index, one in members if isinstance(one, dict)]


class Surroundings(Protocol):
    """What is around a step in its spec.

    Attributes:
        siblings: The steps of its part, by id.
    """

    siblings: Mapping[str, WrittenStep]

    def infer(self, value: Any, path: TreePath, names: Scope) -> Shape:
        """The shape of a computed value at a place in `with`, which sees these names too."""


class Kind:
    """One kind of step.

    Attributes:
        uses: Its name.
        says: What it does, in a sentence.
        takes: What `with` takes.
        outputs: Its output fields; every step has `status` and `credits` too.
        credits: What one item costs; 0 is free, or priced by a request.
        price_note: What is said of the price of an item with `credits`.
        route: Where its requests buy; without one it buys by its `work`, if it costs credits.
        media: What one item is: image, video or audio; "" if its model says it, or it is none.
        idle: Keys of a step that have no effect.
        reads: The arguments that the shapes of its outputs depend on.
        evaluates: The arguments that it evaluates itself, as they are written.
        examples: Of arguments, where a general one would be wrong.
        takes_brand: Whether it draws on this machine, and a brand gives what `with` leaves out.
        is_for_results: Whether it is of no use if nothing uses its outputs.
        passes_on: Whether its outputs are media of other steps.
        gives_media: Whether what it makes is media alone: where it succeeds, they are not null.
        calls_back: Whether it sends something to its `url`, signed with its `secret`.
        fetches: Whether its media are given to the run, and not made by it.
        row: What it adds to the row of an item in a receipt: outputs, `alternative` or `choice`.
        is_quick: Whether it counts for nothing if no earlier run shows how long it takes.
        brackets: Around its name in a graph.
    """

    uses: str = ""
    says: str = ""
    takes: type[SpecModel] = SpecModel
    outputs: tuple[str, ...] = ()
    credits: int = 0
    price_note: str = "its own price"
    route: Route | None = None
    media: str = ""
    idle: tuple[str, ...] = ("fallback", "quality")
    reads: tuple[str, ...] = ()
    evaluates: tuple[str, ...] = ()
    examples: Mapping[str, str] = MappingProxyType({})
    takes_brand: bool = False
    is_for_results: bool = True
    passes_on: bool = False
    gives_media: bool = False
    calls_back: bool = False
    fetches: bool = False
    row: tuple[str, ...] = ()
    is_quick: bool = False
    brackets: tuple[str, str] = ("[", "]")

    @property
    def buys(self) -> bool:
        """Whether a step of it may cost credits."""
        return self.route is not None or self.credits > 0

    @property
    def own_price(self) -> Price:
        """The price of an item where no request says it."""
        return Price(self.credits, self.credits, self.price_note if self.credits else "free")

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        """The request of an item; None if it is not known yet, or wrong, which is reported to `given`."""
        if given.problems or not given.is_complete:
            return None
        if not self.credits:
            return ItemRequest(self.uses, given.values)
        return ItemRequest(
            self.uses,
            given.values,
            self.uses,
            self.media,
            route=self.route or FUNCTION,
            price=self.own_price,
            # The same bytes are one medium.
            request_hash=digest([self.uses, with_assets(given.values, lambda one: one.sha256)]),
            priced_by=PricedBy(self.uses),
        )

    def sent_arguments(self, given: Arguments, world: World) -> Mapping[str, Any]:
        """The arguments as its request has them, as far as they are known: another one makes another request."""
        return given.values

    def expected_price(self, known: Mapping[str, Any], world: World) -> tuple[str | None, Price]:
        """The model and the price of an item; arguments, or members of a map, that are not known yet are `Unknown`."""
        return self.uses if self.credits else None, self.own_price

    async def work(
        self, arguments: Mapping[str, Any], folder: Path, idempotency_key: str
    ) -> Mapping[str, Any]:
        """Makes an item of a kind of another distribution; gives its outputs.

        Args:
            arguments: Of its request; each asset is a file on this machine.
            folder: An empty one, for its files. A path in the outputs becomes an asset.
            idempotency_key: Of the purchase, if it costs credits: the same one buys once.
        """
        raise NotImplementedError(f"{self.uses} does no work here")

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        """The output fields of one item, from the arguments as written."""
        return given_fields(dict.fromkeys(self.outputs, ANY))

    def check(
        self, given: Arguments, step: WrittenStep, around: Surroundings
    ) -> Iterator[Diagnostic]:
        """What is wrong with a step that only its text shows."""
        yield from ()

    def expects(self, with_: SpecModel) -> JsonValue:
        """The fields that its answer must have, for which it is asked again; None if any will do."""
        return None

    def expected_media(self, request: ItemRequest, catalogue: Catalogue) -> Expected:
        """What a request asked for, which its media are measured by."""
        return Expected()

    def takes_words(self, with_: SpecModel) -> bool:
        """Whether the words of a brand are added to what it asks for."""
        return False

    def body(self, request: ItemRequest, files: Sequence[UploadedFile], trace: str) -> str:
        """The exact body of a purchase with its uploaded references; `trace` is its ``client_request_id``."""
        asked = {
            "model": request.model,
            "arguments": dict(request.arguments),
            "client_request_id": trace,
        }
        return whole(canonical(asked))

    def files(self, arguments: Mapping[str, Any]) -> Iterator[CutMedium]:
        """The files that the arguments name, each with the kinds of media that it may be."""
        for name, field in fields_of(self.takes).items():
            takes, written = field.takes, arguments.get(name)
            if takes is None or not takes.is_file or written is None:
                continue
            if isinstance(written, list):
                for index, one in enumerate(written):
                    yield CutMedium((name, index), one, takes.media)
            else:
                yield CutMedium((name,), written, takes.media)

    def idle_defaults(self, own: Mapping[str, Any], defaults: Mapping[str, Any]) -> Collection[str]:
        """The arguments among `defaults` that have no effect beside a step's own."""
        return ()

    def elsewhere(self, keys: Collection[str]) -> Mapping[str, str]:
        """Hints for unknown keys in `with` that belong elsewhere."""
        return {}

    @property
    def name(self) -> str:
        """What messages call a step of this kind."""
        return f"{an(self.uses)} step"

    def idle_hint(self, key: str) -> str:
        """What to do with a key of `idle`."""
        return "remove it"

    def required_argument(self) -> str | None:
        """An argument without which a step is wrong; None if all may be left out."""
        fields = fields_of(self.takes).items()
        return next((key for key, one in fields if one.info.is_required()), None)

    def form_of(self, argument: str) -> dict[str, Any] | None:
        """The JSON Schema of an argument, where `Takes` does not say it."""
        return None


class Repeated(Kind):
    """The kind of a step with `repeat`: its rounds are steps of their own, and it gives what the last one gave."""

    passes_on = True
    is_quick = True

    def __init__(self, kind: Kind) -> None:
        self.uses, self.brackets = kind.uses, kind.brackets
        self.outputs = (*kind.outputs, "rounds", "met")
        self.gives_media, self.is_for_results = kind.gives_media, kind.is_for_results


repeated = cache(Repeated)


def given_fields(fields: Mapping[str, Shape], lacks: Mapping[str, str] | None = None) -> Shape:
    """The shape of one item with these outputs, and with hints for fields that it lacks."""
    absent = dict(lacks or {})
    if "asset" in fields and "items" not in fields:
        absent["items"] = "the step has no matrix, foreach or zip, so it has one .asset"
    return map_of({"status": PROSE, "credits": NUMBER, **fields}, absent)


__all__ = ["UNPAID", "Kind", "Names", "Route", "SpecModel", "Surroundings", "Takes", "Value",
           "WrittenStep", "given_fields"]  # fmt: skip
