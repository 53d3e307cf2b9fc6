"""Signed callbacks to a backend."""

from __future__ import annotations

from typing import Any

from prefect import task

from rivya_flows.client.callbacks import callback_id, post_callback
from rivya_flows.language.syntax.secret_names import names_secret
from rivya_flows.planning.names import canonical
from rivya_flows.settings import read_settings
from rivya_flows.tasks.generations import policy
from rivya_flows.tasks.secret_values import revealed
from rivya_flows.tasks.session import PLAIN


@task(name="notify", **PLAIN)
async def post_notice(
    url: str,
    notice: dict[str, Any],
    secret: str | None = None,
    attempts: int = 5,
    patience: float | None = None,
) -> dict[str, Any]:
    """Post a notification as JSON, signed if there is a secret.

    Args:
        url: The URL, or the name of a secret that holds it.
        secret: ``env:NAME`` or ``block:NAME``, never the secret itself; None does not sign.
        patience: Seconds in all, or None for the client's default.
    """
    body = canonical(notice).encode()
    status = await post_callback(
        await revealed(url) if names_secret(url) else url,
        body,
        None if secret is None else await revealed(secret),
        retry=policy(attempts, patience),
        allow_private=read_settings().rivya_flows_allow_private_notify,
    )
    return {"status": status, "id": callback_id(body)}
