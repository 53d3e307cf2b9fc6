"""What a brand and subtitle files add to a request, and their values in expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from rivya_flows.assets import Asset
from rivya_flows.catalogue.catalogue import Model
from rivya_flows.language.brand import Brand
from rivya_flows.language.subtitles import Cue, parse_subtitles
from rivya_flows.language.syntax.media_references import is_url


@dataclass(frozen=True)
class House:
    """What the spec of a step adds to its requests.

    Attributes:
        brand: Its brand, or that of the spec that includes it.
        texts: Texts of subtitles by path from the folder of the main spec.
        folder: Of the spec, from there: "" or ``parts/``.
        files: Assets by path from the folder of the main spec.
    """

    brand: Brand | None = None
    texts: Mapping[str, str] = field(default_factory=dict, hash=False)
    folder: str = ""
    files: Mapping[str, Asset] = field(default_factory=dict, hash=False)

    def words_for(self, model: Model, wanted: bool) -> str:
        """What the brand adds to the prompts of a model; "" if nothing."""
        return self.brand.words_for(model) if self.brand is not None and wanted else ""

    def drawn(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluated arguments of a `compose` or a `layout`, with the look of the brand."""
        read = with_cues(arguments, self.texts, self.folder)
        return in_the_look(read, self.brand, self.files)


def brand_values(brand: Brand, files: Mapping[str, Asset]) -> dict[str, Any]:
    """The brand as expressions read it: its images are media, what is not written is missing.

    `files` are assets by path from the folder of the main spec.
    """
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


def in_the_look(
    arguments: Mapping[str, Any], brand: Brand | None, files: Mapping[str, Asset]
) -> dict[str, Any]:
    """Evaluated arguments of a `compose` or a `layout`, with what the brand says and they do not.

    Args:
        arguments: As evaluated, before defaults of parts such as the end card are added.
        brand: Of the spec of the step; None: they stay as they are.
        files: Assets by path from the folder of the main spec.
    """
    made = dict(arguments)
    if brand is None:
        return made
    made["look"] = {"colours": list(brand.colours), "font": brand.font}
    values = brand_values(brand, files)
    if isinstance(card := made.get("end_card"), Mapping):
        shown = {"image": values["logo"]} if "logo" in values else {}
        made["end_card"] = _filled(card, {**shown, **values.get("end_card", {})})
    if isinstance(captions := made.get("captions"), Mapping):
        made["captions"] = _filled(captions, values.get("captions", {}))
    return made


def _filled(given: Mapping[str, Any], under: Mapping[str, Any]) -> dict[str, Any]:
    return {**under, **{key: value for key, value in given.items() if value is not None}}


def with_cues(
    arguments: Mapping[str, Any], texts: Mapping[str, str], folder: str
) -> dict[str, Any]:
    """Evaluated arguments with the captions of a subtitle file instead of its path.

    Args:
        arguments: Of a `compose`.
        texts: Texts by path from the folder of the main spec.
        folder: Of the spec of the step, from there: "" or ``parts/``.
    """
    captions = arguments.get("captions")
    written = captions.get("file") if isinstance(captions, Mapping) else None
    text = texts.get(str(PurePosixPath(folder) / written)) if isinstance(written, str) else None
    if not isinstance(captions, Mapping) or text is None:
        return dict(arguments)
    told = [cue._asdict() for cue in _cues(text)]
    rest = {key: value for key, value in captions.items() if key != "file"}
    return {**arguments, "captions": {**rest, "cues": told}}


@lru_cache(maxsize=16)
def _cues(text: str) -> tuple[Cue, ...]:
    return parse_subtitles(text)
