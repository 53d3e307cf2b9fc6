"""The brand of a spec: how what it makes looks, and what its picture and film prompts say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from rivya_client.catalogue.catalogue import Model
from rivya_cut.composition import MAX_CARD_TEXT, MAX_COLOURS
from rivya_cut.fields import SECONDS, Colour
from rivya_cut.terms import CaptionPosition, CaptionStyle, Font
from rivya_flows.language.expressions.output_types import TEXT, Shape, map_of, of_data, of_input
from rivya_flows.language.field_types import Number, SpecModel
from rivya_flows.language.final_cut import Language
from rivya_flows.language.syntax.media_references import FONT_SUFFIXES, is_font, is_url

MAX_PROMPT = 500
"""Characters that a brand may add to a prompt."""

TITLE = "the brand"
"""Title of its shape, which tells it from a loop variable of that name."""

_CLOSED = (",", ".", ";", ":", "!", "?", "…", "।", "。")
"""Ends of a prompt that need no comma after them."""


def _up_to(most: int) -> Callable[[str], str]:
    def fitting(text: str) -> str:
        if "${{" in text:
            raise ValueError("expressions are not evaluated in a brand; write the text itself")
        if len(text) > most:
            raise ValueError(f"the text has {len(text):,} characters; shorten it to {most:,}")
        if not text.strip():
            raise ValueError("the text is empty; write it, or remove the key")
        return text

    return fitting


_Source = Annotated[str, AfterValidator(_up_to(2_000))]
_Drawn = Annotated[str, AfterValidator(_up_to(MAX_CARD_TEXT))]


class _FontOrFile:
    """Marks the name of a family, or the path of a font."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            self._check, handler.generate_schema(Font)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        endings = "|".join(one.removeprefix(".") for one in FONT_SUFFIXES)
        return {"anyOf": [handler(schema), {"type": "string", "pattern": rf"\.({endings})$"}]}

    def _check(self, value: Any, family: core_schema.ValidatorFunctionWrapHandler) -> Any:
        is_path = isinstance(value, str) and is_font(value) and not is_url(value)
        return _up_to(2_000)(value) if is_path else family(value)


class BrandEndCard(SpecModel):
    """What an end card of `compose` shows, where the step does not say it.

    Attributes:
        title: The large line.
        line: The smaller line below it.
        image: Path of an image, from the folder of this file, or a URL; without it, the logo.
        seconds: How long it stays.
    """

    title: _Drawn | None = None
    line: _Drawn | None = None
    image: _Source | None = None
    seconds: Annotated[Number, Field(gt=0, le=60), SECONDS] | None = None


class BrandCaptions(SpecModel):
    """How captions of `compose` look, where the step does not say it.

    Attributes:
        position: Where they stand.
        style: `plain` is text with an outline; `plate` stands on a plate; `highlight` colours each
            word while it is spoken, `pop` shows a few words at a time; `none` is not drawn.
        language: Their language, such as `hi`.
    """

    position: CaptionPosition | None = None
    style: CaptionStyle | None = None
    language: Language | None = None


class Brand(SpecModel):
    """The brand, in the spec or in a file of its own.

    Attributes:
        name: Name of the brand.
        logo: Path of an image, from the folder of this file, or a URL.
        colours: Up to 8, as `#rgb` or `#rrggbb`; the first is the main one.
        font: Family of drawn text, or the path of a TrueType or OpenType file, from the folder of this
            file; scripts that it lacks take Noto.
        prompt: Added to each prompt for a picture or a film, up to 500 characters.
        end_card: Defaults of end cards.
        captions: Defaults of captions.
    """

    name: Annotated[str, AfterValidator(_up_to(100))] | None = None
    logo: _Source | None = None
    colours: Annotated[tuple[Colour, ...], Field(max_length=MAX_COLOURS)] = ()
    font: Annotated[str, _FontOrFile()] = "poppins"
    prompt: Annotated[str, AfterValidator(_up_to(MAX_PROMPT))] | None = None
    end_card: BrandEndCard | None = None
    captions: BrandCaptions | None = None

    @property
    def media(self) -> dict[tuple[str, ...], str]:
        """Paths and URLs of its images, by their keys."""
        card = self.end_card.image if self.end_card else None
        named = {("logo",): self.logo, ("end_card", "image"): card}
        return {keys: written for keys, written in named.items() if written is not None}

    def moved_to(self, folder: PurePosixPath) -> Brand:
        """The brand with the paths of its files, which count from that folder, from the one above it."""
        card = self.end_card
        if card is not None and card.image is not None:
            card = card.model_copy(update={"image": _inside(folder, card.image)})
        logo = None if self.logo is None else _inside(folder, self.logo)
        font = _inside(folder, self.font) if is_font(self.font) else self.font
        return self.model_copy(update={"logo": logo, "end_card": card, "font": font})

    def words_for(self, model: Model) -> str:
        """What it adds to the prompts of a model; "" if nothing."""
        return self.prompt or "" if model.category in ("image", "video") else ""


def _inside(folder: PurePosixPath, written: str) -> str:
    return written if is_url(written) else normpath(folder / written)


def with_words(prompt: str, added: str) -> str:
    """The prompt with the words of a brand after it; an empty prompt stays as it is."""
    if not added or not prompt.strip():
        return prompt
    prompt = prompt.rstrip()
    return prompt + (" " if prompt.endswith(_CLOSED) else ", ") + added


def shape_of_brand(brand: Brand) -> Shape:
    """The shape of `brand` in expressions: what is not written is missing."""
    written = brand.model_dump(mode="json", exclude_none=True)
    fields = {key: of_data(value) for key, value in written.items() if value != []}
    image = of_input({"type": "file", "kind": "image"})
    if "logo" in fields:
        fields["logo"] = image
    if "image" in written.get("end_card", {}):
        fields["end_card"] = map_of({**(fields["end_card"].fields or {}), "image": image})
    if brand.colours:
        fields["colours"] = Shape("list", member=TEXT, length=len(brand.colours))
    absent = (key for key in Brand.model_fields if key not in fields)
    lacks = {key: f"add `{key}:` to the brand" for key in absent}
    return Shape("map", fields, lacks=lacks, title=TITLE)
