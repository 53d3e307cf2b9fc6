"""A receiver in a thread of the test, over real HTTP, and somebody who signs deliveries."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from rivya_client.webhook_signatures import sign_webhook
from rivya_flows.receiver.app import WEBHOOK_PATH, Metrics, Receiver
from rivya_flows.receiver.notification import JobNotification
from rivya_flows.receiver.reviews import leave
from rivya_flows.receiver.server import listen, serve, url_of
from rivya_flows.runs.execution import deliver
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from support.sandbox_calls import PATIENCE

SECRET = "whsec_of_a_test"
METRICS = Metrics(lambda: b"credits 3\n", SecretStr("rivya:p"))
METRICS_LOGIN = "Basic cml2eWE6cA=="


@dataclass
class Audience:
    """Gets the notifications of the receiver.

    Attributes:
        heard: All that arrived, in order.
        refuses: How many more calls fail.
        woken: Runs whose flow runs continue, in order.
    """

    heard: list[JobNotification] = field(default_factory=list)
    refuses: int = 0
    woken: list[str] = field(default_factory=list)

    async def wake(self, run_id: str) -> bool:
        """Continue the flow run of a run."""
        self.woken.append(run_id)
        return True

    async def emit(self, notifications: Sequence[JobNotification]) -> None:
        """Record notifications, or fail."""
        if self.refuses:
            self.refuses -= 1
            raise ConnectionError("nobody is there")
        self.heard.extend(notifications)


@dataclass
class Stage:
    """A running receiver.

    Attributes:
        url: Where it is.
        secrets: What deliveries may be signed with now.
    """

    url: str
    journal: Journal
    assets: AssetStore
    audience: Audience
    secrets: list[SecretStr]
    client: httpx.Client

    def get(self, path: str, **headers: str) -> httpx.Response:
        """What a browser gets."""
        return self.client.get(path, headers=headers)

    def deliver(
        self, event: dict[str, Any] | bytes, *, secret: str = SECRET, at: float | None = None
    ) -> httpx.Response:
        """A delivery as the service makes it."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        timestamp = str(int(time.time() if at is None else at))
        headers = {
            "X-Rivya-Timestamp": timestamp,
            "X-Rivya-Signature": f"v1={sign_webhook(body, secret, timestamp)}",
        }
        return self.client.post(WEBHOOK_PATH, content=body, headers=headers)


def told(number: int = 1, *, status: str = "succeeded") -> dict[str, Any]:
    """An event about the end of a job."""
    job = {"id": f"task_{number}", "status": status, "model": "z-image"}
    return {"id": f"evt_{number}", "type": f"generation.{status}", "data": job}


@contextmanager
def receiving(
    store_url: str,
    folder: Path,
    *,
    metrics: Metrics | None = None,
    assets_url: str | None = None,
    hosts: Sequence[str] = (),
    prune: tuple[Callable[[], object], float] | None = None,
    api_key: str | None = None,
    protocol: type[asyncio.Protocol] | None = None,
    delivers: bool = True,
) -> Iterator[Stage]:
    """A receiver on a free port, with a store and media of its own.

    Args:
        delivers: Take the answers of links to the journal; without it they wait in the store.
    """
    audience, secrets = Audience(), [SecretStr(SECRET)]
    assets = AssetStore(assets_url or (folder / "assets").as_uri(), folder / "copies")
    with closing(Journal(store_url)) as journal, contextlib.ExitStack() as closing_all:
        receiver = Receiver(
            journal,
            assets,
            lambda: tuple(secrets),
            audience.emit,
            metrics,
            frozenset(hosts),
            prune,
            api_key,
            partial(deliver, journal, wake=audience.wake) if delivers else leave,
        )
        bound = listen("127.0.0.1", 0)
        url = url_of(bound, "127.0.0.1")
        stops: list[Callable[[], object]] = []
        is_ready = threading.Event()

        def ready(stop: Callable[[], None]) -> None:
            loop = asyncio.get_running_loop()
            stops.append(lambda: loop.call_soon_threadsafe(stop))
            is_ready.set()

        thread = threading.Thread(
            target=lambda: asyncio.run(
                serve(receiver.app(), bound, ready=ready, protocol=protocol)
            ),
            daemon=True,
        )
        thread.start()
        closing_all.callback(thread.join, PATIENCE)
        closing_all.callback(lambda: [stop() for stop in stops])
        assert is_ready.wait(PATIENCE)
        client = closing_all.enter_context(
            httpx.Client(base_url=url, verify=False, timeout=PATIENCE)
        )
        yield Stage(url, journal, assets, audience, secrets, client)
