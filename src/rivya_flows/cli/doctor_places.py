"""`doctor` on the places that runs need: store, media, service, and the receiver's address."""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows.app.local_sandbox import serving
from rivya_flows.app.shared_store_checks import shown_url
from rivya_flows.cli.doctor_checks import Check, ok, problem, warning
from rivya_flows.client.client import RivyaClient
from rivya_flows.client.transport.retries import RetryPolicy
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal

_ONCE = RetryPolicy(attempts=1)
_ANSWER_SECONDS = 5.0
_NOTHING = "doctor-0"
"""An id that nothing has: with the right to read, the answer is 404."""


def store(settings: Settings) -> Iterator[Check]:
    """The journal; opening it brings an older one up to date."""
    with closing(Journal(settings.store_url)):
        yield ok("store", f"{shown_url(settings.store_url)} is up to date")


def assets(settings: Settings) -> Iterator[Check]:
    """The media: one is written, read and taken away."""
    with tempfile.TemporaryDirectory(prefix="rivya-flows-") as folder:
        probe = Path(folder) / "probe"
        probe.write_bytes(b"rivya-flows doctor\n")
        kept = AssetStore(settings.assets_url, Path(folder) / "copies")
        # Equal for all doctors: one that was killed leaves a file that the next one takes away.
        digest = kept.put(probe)
        kept.local_path(digest)
        kept.remove(digest)
    yield ok("assets", f"{kept.url} can be written, read and cleared")


def sandbox(settings: Settings) -> Iterator[Check]:
    """The local service, where there is no key."""
    url = serving(settings.data / "sandbox")
    where = f"serves at {url}" if url else "is started when it is needed"
    yield ok("service", f"no RIVYA_API_KEY: the local sandbox {where}")


async def service(settings: Settings) -> AsyncIterator[Check]:
    """The service and its key; what the key may do is found by trying what costs nothing."""
    assert settings.rivya_api_key is not None
    base_url = settings.rivya_base_url.rstrip("/")
    shown = shown_url(base_url)
    async with RivyaClient(settings.rivya_api_key.get_secret_value(), base_url) as client:
        try:
            balance = (await client.credits.retrieve(retry=_ONCE)).current_credits
        except APIConnectionError as error:
            yield problem("service", f"{shown}: {error}", error.hint)
            return
        except APIStatusError as error:
            if error.code != "api_scope_denied":
                yield problem("service", f"{shown}: {error}", error.hint)
                return
            yield ok("service", f"{shown} knows the key")
        else:
            yield ok("service", f"{shown} knows the key; {balance} credits")
        yield await _scopes(client)


async def _scopes(client: RivyaClient) -> Check:
    tried = {
        "credits:read": client.credits.retrieve(retry=_ONCE),
        "generations:read": client.generations.retrieve(_NOTHING, retry=_ONCE),
        "files:read": client.files.retrieve(_NOTHING, retry=_ONCE),
        "chat:read": client.chat.sessions.retrieve(_NOTHING, retry=_ONCE),
        "webhooks:manage": client.webhooks.retrieve(_NOTHING, retry=_ONCE),
    }
    denied = []
    for scope, asking in tried.items():
        try:
            await asking
        except APIStatusError as error:
            if error.code == "api_scope_denied":
                denied.append(scope)
        except APIError:
            continue
    if not denied:
        return ok("scopes", "the key may read; whether it may buy shows when it does")
    hint = "make a key with all scopes in Settings, API Keys"
    if denied == ["webhooks:manage"]:
        return warning("scopes", "the key may not manage webhooks", hint)
    return problem("scopes", f"the key lacks {', '.join(denied)}", hint)


def public_url(settings: Settings) -> Iterator[Check]:
    """Where browsers find media, and whether anybody answers there."""
    url = settings.rivya_flows_public_url
    if url is None:
        if settings.rivya_flows_webhooks:
            yield problem(
                "public url",
                "RIVYA_FLOWS_WEBHOOKS is on, and no receiver is named",
                "set RIVYA_FLOWS_PUBLIC_URL, and run `rivya-flows webhooks listen`",
            )
        else:
            yield ok("public url", "none set; `up` shows media from this machine")
        return
    if _answers(url):
        yield ok("public url", f"the receiver answers at {url}")
    else:
        yield warning(
            "public url",
            f"no receiver answers at {url} from here",
            "start it with `rivya-flows webhooks listen` or `up`, or mend RIVYA_FLOWS_PUBLIC_URL",
        )


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
