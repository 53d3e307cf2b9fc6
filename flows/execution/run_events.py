"""The event that tells Prefect how a run ended, for automations."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from prefect.events import emit_event
from prefect.runtime import flow_run

from rivya_flows.app.publishing import addresses_of, report_of
from rivya_flows.app.run_context import RunContext
from rivya_flows.assets import Asset, as_asset, assets_in
from rivya_flows.errors import RivyaFlowsError
from rivya_flows.flows.recovery.automations import EVENT_PREFIX
from rivya_flows.ledger.provenance import recorded
from rivya_flows.ledger.summary import chosen, told, troubles
from rivya_flows.planning.markdown import link, picture, text
from rivya_flows.planning.questions.choice_phrases import decision, how_picked

_TOLD = {"kind", "mime_type", "width", "height", "duration_seconds", "sha256"}
_MAX_TEXT = 2_000
_MAX_MEDIA = 50
_MAX_TROUBLES = 20
_logger = logging.getLogger(__name__)

Address = Callable[[Asset], str | None]


def announce(context: RunContext, receipt: Mapping[str, Any]) -> None:
    """Sends the event of a run's end; never waits and never fails a run."""
    if flow_run.id is None:
        return
    try:
        address = addresses_of(context, recorded(receipt["assets"]))
        emit_event(
            event=EVENT_PREFIX + receipt["status"],
            resource=resource_of(receipt, flow_run.id, flow_run.name),
            payload=payload_of(receipt, address, report_of(context, receipt["run_id"])),
        )
    except Exception as error:  # Prefect may raise anything; the run has ended all the same
        shown = error if isinstance(error, RivyaFlowsError) else type(error).__name__
        _logger.warning("the run's end event was not sent: %s", shown)


def resource_of(receipt: Mapping[str, Any], flow_run_id: str, name: str | None) -> dict[str, str]:
    """What the event is about: the flow run, with the labels that automations match."""
    return {
        "prefect.resource.id": f"prefect.flow-run.{flow_run_id}",
        "prefect.resource.name": name or receipt["run_id"],
        "rivya-flows.campaign": receipt["name"],
        "rivya-flows.run-id": receipt["run_id"],
    }


def payload_of(receipt: Mapping[str, Any], address: Address, report: str | None) -> dict[str, Any]:
    """The payload: plain values, each medium with its URL.

    Args:
        receipt: The run's receipt.
        address: The URL of an asset for a browser; None if it has none.
        report: The URL of the contact sheet; None if it has none.
    """
    credits = receipt["credits"]
    found: dict[str, Any] = {
        "run_id": receipt["run_id"],
        "name": receipt["name"],
        "title": receipt["title"] or receipt["name"],
        "status": receipt["status"],
        "sentence": told(receipt),
        "credits": {name: credits[name] for name in ("spent", "saved", "budget")},
        "outputs": {name: _value(value, address) for name, value in receipt["outputs"].items()},
        "picked": _picked(receipt, address),
        "choices": _choices(receipt),
        "troubles": troubles(receipt)[:_MAX_TROUBLES],
        "report": report,
    }
    return {**found, "markdown": _markdown(found)}


def _value(value: Any, address: Address) -> Any:
    if asset := as_asset(value):
        return _medium(asset, address)
    if isinstance(value, Mapping):
        return {str(name): _value(one, address) for name, one in value.items()}
    if isinstance(value, list):
        return [_value(one, address) for one in value[:_MAX_MEDIA]]
    return value[:_MAX_TEXT] if isinstance(value, str) else value


def _medium(asset: Asset, address: Address) -> dict[str, Any]:
    return {**asset.model_dump(include=_TOLD), "url": address(asset)}


def _picked(receipt: Mapping[str, Any], address: Address) -> dict[str, Any]:
    """The medium of each `pick`, by step."""
    return {
        step["id"]: _medium(asset, address)
        for step in receipt["steps"]
        if step["uses"] == "pick"
        for item in step["items"]
        for asset in itertools.islice(assets_in(item["assets"]), 1)
    }


def _choices(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """What each `pick` chose, who did, and what they had asked for in earlier rounds."""
    return {
        name: {
            "picked": choice["picked"],
            "by": choice["by"],
            "how": how_picked(choice),
            "notes": choice["notes"],
        }
        for name, choice in itertools.islice(chosen(receipt), _MAX_MEDIA)
        if choice["picked"]
    }


def _markdown(found: Mapping[str, Any]) -> str:
    """The same as a message for people."""
    lines = [f"**{text(found['title'])}** {found['status']}: {text(found['sentence'])}"]
    for step, medium in found["picked"].items():
        if medium["url"]:
            lines.append(picture(f"picked: {step}", medium["url"], to=medium["url"]))
    for name, choice in found["choices"].items():
        if choice["by"] is not None:
            lines.append(f"* {text(name)}: {text(decision(choice))}")
    media = [(name, one) for name, value in found["outputs"].items() for one in assets_in(value)]
    lines += [f"* {link(name, one.url)}" for name, one in media if one.url]
    lines += [f"* {text(trouble)}" for trouble in found["troubles"]]
    if found["report"]:
        lines.append(link("Contact sheet", found["report"]))
    return "\n".join(lines)
