"""`notify`: sends a signed callback to a URL."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.field_types import COMPUTED, SpecModel, Takes, Value
from rivya_flows.language.inputs import RESERVED_HINT, is_secret_name, names_secret, refusal
from rivya_flows.language.wording import shown
from rivya_flows.steps.arguments import Arguments, World
from rivya_flows.steps.kind import UNPAID, Kind
from rivya_flows.steps.request import ItemRequest


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
            schema={"type": "string", "pattern": rf"^(https?://[^/?#]|env:|block:)|{COMPUTED}"},
        ),
    ]
    body: Annotated[Value, Takes()] = None
    secret: Annotated[
        Value,
        Takes(
            ("text",),
            is_examined=True,
            schema={"type": "string", "pattern": rf"^(env|block):|{COMPUTED}"},
        ),
    ] = None


class Notify(Kind):
    uses = "notify"
    says = "Sends a signed callback to a URL."
    takes = NotifyWith
    idle = UNPAID
    is_for_results = False
    calls_back = True
    passes_on = True
    is_quick = True
    brackets = ("([", "])")

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        url, secret = given.get("url"), given.get("secret")
        if isinstance(url, str) and not (names_secret(url) or _is_address(url)):
            message = f"{shown(url)} is not an http(s) URL"
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
