"""What a brand and subtitle files add to a request, and their values in expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache, reduce
from pathlib import PurePosixPath
from typing import Any, TypeVar

from rivya_client.catalogue.catalogue import Model
from rivya_cut.fonts import missing_characters
from rivya_cut.subtitles import parse_subtitles
from rivya_flows.assets import Asset
from rivya_flows.language.brand import Brand, with_words
from rivya_flows.language.cut_places import maps_in, whole_forms
from rivya_flows.language.syntax.media_references import is_font, is_url

T = TypeVar("T")


@dataclass(frozen=True)
class Branding:
    """What the spec of a step adds to its requests.

    Attributes:
        brand: Its brand, or that of the spec that includes it.
        texts, files: Of subtitles, and assets, by path from the folder of the main spec.
        folder: Of the spec, from there: "" or ``parts/``.
        notes: What people who rejected earlier results want; "" is nothing.
    """

    brand: Brand | None = None
    texts: Mapping[str, str] = field(default_factory=dict, hash=False)
    folder: str = ""
    files: Mapping[str, Asset] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()

    def with_notes(self, prompt: T, model: Model | None = None) -> T | str:
        """A prompt with the notes after it, unless its model would say them; what is no text yet stays as it is."""
        if not isinstance(prompt, str) or (model is not None and model.speaks):
            return prompt
        return reduce(with_words, self.notes, str(prompt))

    def words_for(self, model: Model, wanted: bool) -> str:
        """What the brand adds to the prompts of a model; "" if nothing."""
        return self.brand.words_for(model) if self.brand is not None and wanted else ""

    def full_prompt(self, model: Model, prompt: str, wanted: bool) -> str:
        """A prompt as a model gets it: with the notes, then what the brand adds if that is wanted."""
        return with_words(self.with_notes(prompt, model), self.words_for(model, wanted))

    def complete_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluated arguments of a `compose` or a `layout` with the captions of a subtitle file instead of
        its path, without short forms, and with what the brand says and they do not.
        """
        made = whole_forms(arguments)
        captions, card = self._with_cues(made.get("captions")), made.get("end_card")
        if captions is not None:
            made["captions"] = captions
        if isinstance(clips := made.get("clips"), list):
            if captions is None and any(one.get("captions") for _, one in maps_in(clips)):
                captions = made["captions"] = {}  # that of the film says how they look
            made["clips"] = [
                {**one, "captions": self._with_cues(one["captions"])}
                if isinstance(one, Mapping) and "captions" in one
                else one
                for one in clips
            ]
        if self.brand is None:
            return made
        font: Any = self.brand.font
        if is_font(font):
            font = {"sha256": self.files[font].sha256 if font in self.files else ""}
        made["look"] = {"colours": list(self.brand.colours), "font": font}
        values = brand_values(self.brand, self.files)
        if isinstance(card, Mapping):
            logo = {"image": values["logo"]} if "logo" in values else {}
            made["end_card"] = logo | values.get("end_card", {}) | _without_none(card)
        if isinstance(captions, Mapping):
            made["captions"] = values.get("captions", {}) | _without_none(captions)
        return made

    def missing_characters(self, drawn: Iterable[str]) -> str:
        """The characters of drawn texts that no font has, nor the brand's own where its file is at hand."""
        own = self.files.get(self.brand.font) if self.brand is not None else None
        path = own.path if own is not None else None
        family = path if path is not None and path.is_file() else "noto"
        return missing_characters("".join(drawn), family)

    def _with_cues(self, captions: Any) -> Any:
        """What is said with the cues of its file, if it has one."""
        file = captions.get("file") if isinstance(captions, Mapping) else None
        text = (
            self.texts.get(str(PurePosixPath(self.folder) / file))
            if isinstance(file, str)
            else None
        )
        if text is None:
            return captions
        rest = {key: one for key, one in captions.items() if key != "file"}
        return {**rest, "cues": [asdict(cue) for cue in _cues(text)]}


def brand_values(brand: Brand, files: Mapping[str, Asset]) -> dict[str, Any]:
    """The brand as expressions read it: its images are media, what is not written is missing."""
    values = brand.model_dump(mode="json", exclude_none=True)
    if brand.logo is not None:
        values["logo"] = _medium(brand.logo, files)
    if brand.end_card is not None and brand.end_card.image is not None:
        values["end_card"]["image"] = _medium(brand.end_card.image, files)
    return values


def _medium(written: str, files: Mapping[str, Asset]) -> dict[str, Any]:
    if is_url(written):
        return {"url": written}
    return files[written].as_json() if written in files else {"path": written}


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value is not None}


_cues = lru_cache(maxsize=16)(parse_subtitles)
