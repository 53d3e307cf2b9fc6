"""Checks of `fallback`: each alternative is a request of its own, with what `with` adds to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.language.checks.catalogue import RequestChecks
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.scope import NamesInScope
from rivya_flows.language.step_groups import written_steps
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown


def check_fallbacks(
    data: Mapping[str, Any],
    names: NamesInScope,
    catalogue: Catalogue,
    folder: FilePath | None,
    report: DiagnosticCollector,
) -> None:
    """Reports alternatives of `generate` steps that the service would refuse.

    Files are not checked where the folder of the spec is None.
    """
    for part, step_id, step in written_steps(data):
        listed, arguments = step.get("fallback"), step.get("with")
        if step.get("uses") != "generate" or not (listed and isinstance(listed, list)):
            continue
        if report.dropped or not isinstance(arguments, dict):
            continue
        first = RequestChecks(step, arguments, step_id, data, names)
        told = {(one.code, one.message) for one in first.found(catalogue, folder)}
        media = set(_media(first, arguments, catalogue))
        for index, one in enumerate(listed):
            if not isinstance(one, dict):
                continue  # reported by the model of the step
            place: Path = (part, step_id, "fallback", index)
            own = {key: value for key, value in one.items() if value is not None}
            if not own:
                message = f"item {index + 1} of 'fallback' changes nothing"
                hint = "write what is different, such as {model: seedream-5-lite}, or remove it"
                report.add(place, "missing-key", message, hint)
                continue
            whole = {**arguments, **own}
            checks = RequestChecks(step, whole, step_id, data, names)
            _check_media(own, media, set(_media(checks, own, catalogue)), place, report)
            for found in checks.found(catalogue, folder):
                key = str(found.path[0])
                if key in own:
                    at_key = found.code == "unknown-param"
                    hint = found.hint or "`rivya-flows models ID` shows what a model takes"
                    report.add(
                        (*place, *found.path),
                        found.code,
                        found.message,
                        hint,
                        key=at_key,
                        instead=found.instead,
                    )
                elif (found.code, found.message) not in told:
                    hint = f"write `{key}:` in the fallback: without it, that of `with` is taken"
                    report.add((*place, next(iter(own))), found.code, found.message, hint)


def _media(
    checks: RequestChecks, arguments: Mapping[str, Any], catalogue: Catalogue
) -> Iterator[str]:
    """The kinds of media that the models of a request make, as far as they are known."""
    for named in checks.written_values(arguments.get("model")):
        model = catalogue.get(named) if isinstance(named, str) else None
        if model is not None and model.category != "chat":
            yield model.category


def _check_media(
    own: Mapping[str, Any],
    media: set[str],
    instead: set[str],
    place: Path,
    report: DiagnosticCollector,
) -> None:
    """Reports a model that makes another kind of media than the step."""
    if media and (others := sorted(instead - media)):
        message = f"{shown(own['model'])} makes {an(others[0])}, but the step makes "
        message += " or ".join(an(one) for one in sorted(media))
        hint = f"pick a model that makes {an(min(media))}"
        report.add((*place, "model"), "wrong-fallback", message, hint)
