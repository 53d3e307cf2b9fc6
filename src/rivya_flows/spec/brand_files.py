"""Brands in files: what is wrong with one, and the media that it names."""

from __future__ import annotations

from pathlib import Path as FilePath, PurePosixPath
from typing import get_args

from rivya_client.errors import MediaError
from rivya_cut.fonts import open_font
from rivya_cut.terms import Font
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.brand import Brand
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.field_types import keys_of
from rivya_flows.language.syntax import media_references
from rivya_flows.language.syntax.tree import Mapping as Tree, Path, plain
from rivya_flows.language.wording import preview
from rivya_flows.spec.build_models import TOP_KEYS, drop_unknown_keys, model_at
from rivya_flows.spec.names import WrittenSpec
from rivya_flows.steps.cut_rules import CARD_KEYS, end_card_problems

NOT_A_BRAND = (
    "a brand file is a map of keys such as `name` and `colours`",
    "start with `name: Aurora`",
)


def is_brand_file(root: Tree) -> bool:
    """Whether a file is a brand and no spec, by its keys."""
    keys = root.pairs.keys()
    return keys.isdisjoint(("version", "steps")) and bool(keys & {*keys_of(Brand)} - {*TOP_KEYS})


def check_brand(text: str, file: str, folder: FilePath | None) -> tuple[Diagnostic, ...] | None:
    """What is wrong with a brand file; None if the text is not one. Images outside its folder are not looked
    for: which folder bounds them depends on the spec.
    """
    report = DiagnosticCollector(file, text)
    root = report.read_map("bad-brand", *NOT_A_BRAND)
    if root is None or not is_brand_file(root):
        return None
    if (brand := build_brand(root, report)) is not None:
        check_brand_media(brand, folder, None, (), report)
    return report.diagnostics


def build_brand(root: Tree, report: DiagnosticCollector) -> Brand | None:
    report.root = tree = drop_unknown_keys(Brand, report, root, ())
    return model_at(Brand, plain(tree), (), report)


def check_brand_media(
    brand: Brand,
    root: FilePath | None,
    bound: FilePath | None,
    at: Path,
    report: DiagnosticCollector,
) -> None:
    """Reports files that are not there; `bound` is the folder of the spec, None of a brand file alone."""
    if root is not None and media_references.is_font(brand.font):
        try:
            path = media_references.resolve_font(brand.font, root, bound or root)
            try:
                open_font(path)
            except MediaError as error:
                raise ValueError(f"{preview(brand.font)} is not a font that can be read") from error
        except (ValueError, OSError) as error:
            hint = (
                f"write a path from the folder of this file, or one of {', '.join(get_args(Font))}"
            )
            report.add((*at, "font"), "bad-file", str(error), hint)
    for keys, written in brand.media.items():
        climbs = bound is None and ".." in PurePosixPath(written).parts
        if (root is None or climbs) and not media_references.is_url(written):
            continue
        try:
            found = media_references.resolve(
                written, kind="image", root=root, inside=True, bound=bound
            )
            if "file_id" in found:
                raise ValueError(f"{preview(written)} is the id of an upload")
        except ValueError as error:
            hint = "write a path from the folder of this file, inside that of the spec, or a URL"
            report.add((*at, *keys), "bad-file", str(error), hint)


def check_end_cards(spec: WrittenSpec, brand: Brand | None, report: DiagnosticCollector) -> None:
    """Reports end cards that show nothing, neither of their own nor of the brand."""
    card = brand.end_card if brand else None
    if brand is not None and (brand.logo or any(getattr(card, key, None) for key in CARD_KEYS)):
        return
    for step in spec.steps:
        report.add_inside((*step.path, "with"), end_card_problems(step.arguments or {}))
