"""Signed callbacks to a backend."""

from __future__ import annotations

from typing import Any

from prefect import task

from rivya_flows.app.runner import Run
from rivya_flows.client.callbacks import post_callback
from rivya_flows.client.retries import RetryPolicy
from rivya_flows.language.canonical import canonical
from rivya_flows.language.syntax.secret_names import names_secret
from rivya_flows.tasks.secret_values import revealed


@task(name="notify")
async def post_notice(
    run: Run, url: str, notice: dict[str, Any], secret: str | None, retry: RetryPolicy
) -> None:
    """Post a notification as JSON, signed if there is a secret.

    Args:
        url: The URL, or the name of a secret that holds it.
        secret: ``env:NAME`` or ``block:NAME``, never the secret itself; None does not sign.
    """
    body = canonical(notice).encode()
    await post_callback(
        await revealed(url) if names_secret(url) else url,
        body,
        None if secret is None else await revealed(secret),
        retry=retry,
        allow_private=run.context.settings.rivya_flows_allow_private_notify,
    )
