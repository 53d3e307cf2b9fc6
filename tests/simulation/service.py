"""A model of the service and of the network before it: what the contract promises, and nothing more."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from simulation.world import Process, World

CHAT = "gemini-2-5-flash-chat"
PRICES = {"z-image": 1, "seedream-5-lite": 4, CHAT: 1}
"""Credits of each model."""

KEY_SECONDS = 24 * 3600.0
"""How long an idempotency key is remembered."""


@dataclass
class Job:
    """What was sold: a generation, or a turn of a chat.

    Attributes:
        reserved: Credits that the wallet lost at first; `named`, as the answer says: 0 if it names them at the end only.
        answer: Of a chat.
        ends_at: Seconds of the world.
        cost: What `final` becomes: of a failed job the service may keep it, and a chat may take less.
        is_blank: It gives a picture of one colour.
        is_useful: The job succeeds, and a chat that must answer in JSON does so.
        final: Credits; None while the job runs.
    """

    id: str
    key: str
    model: str
    reserved: int
    named: int
    ends_at: float
    cost: int
    fails: bool
    is_blank: bool
    is_useful: bool
    answer: str
    body: dict[str, Any]
    final: int | None = None


@dataclass
class Service:
    """One account of the service.

    Attributes:
        balance, granted: Credits of the wallet, and all that it ever got.
        dearer: The share of models that cost one credit more than the catalogue says.
        failing: The share of jobs that fail.
        keys: The digest of the body, the job and the time of expiry of each idempotency key.
        on_forgotten: Called with a key that was forgotten, and is used again.
    """

    world: World
    balance: int
    dearer: float = 0.0
    failing: float = 0.0
    granted: int = field(init=False)
    jobs: dict[str, Job] = field(default_factory=dict)
    running: list[Job] = field(default_factory=list)
    keys: dict[str, tuple[str, Job, float]] = field(default_factory=dict)
    on_forgotten: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self.granted = self.balance

    def grant(self, credits: int) -> None:
        """Somebody buys credits."""
        self.balance += credits
        self.granted += credits

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What the service does with a request at this moment."""
        path, moment = request.url.path, self.world.loop.moment
        self._end_jobs(moment)
        if request.method == "POST":
            return self._sell(request, path, moment)
        if path.endswith("/credits"):
            return httpx.Response(200, json={"current_credits": self.balance})
        job = self.jobs.get(path.rpartition("/")[2])
        return httpx.Response(200, json=_generation(job)) if job else _refusal(404, "not_found")

    def _sell(self, request: httpx.Request, path: str, moment: float) -> httpx.Response:
        key = request.headers["idempotency-key"]
        body, digest = json.loads(request.content), hashlib.sha256(request.content).hexdigest()
        known = self.keys.get(key)
        if known is not None and known[2] > moment:
            if known[0] != digest:
                self.world.violate(f"other bytes under the key {key}")
            return self._sold(known[1], path)
        if known is not None:
            self.on_forgotten(key)
        cost = PRICES[body["model"]] + (self._draw(body["model"], "dearer") < self.dearer)
        if self.balance < cost:
            return _refusal(402, "insufficient_credits")
        is_chat = path.endswith("completions")
        fails = "doomed" in json.dumps(body) or self._unlucky(key, "fails", self.failing)
        rambles = self._unlucky(key, "rambles", 0.2)
        keeps = self._draw(key, "keeps") < (0.7 if is_chat else 0.3)
        job = Job(
            id=f"task_{len(self.jobs) + 1}",
            key=key,
            model=body["model"],
            reserved=cost,
            named=0 if not is_chat and self._unlucky(key, "names", 0.1) else cost,
            ends_at=moment + self._draw(key, "seconds") * 4,
            cost=cost if keeps or not (is_chat or fails) else 0,
            fails=fails and not is_chat,
            is_blank="blank" in json.dumps(body) or self._unlucky(key, "blank", 0.4),
            is_useful=not (rambles and "JSON" in str(body) if is_chat else fails),
            answer="hello" if rambles else '{"visual": "a lamp"}',
            body=body,
        )
        self.balance -= cost
        self.jobs[job.id] = job
        self.keys[key] = digest, job, moment + KEY_SECONDS
        self.running.append(job)
        if is_chat:
            job.ends_at = moment
            self._end_jobs(moment)
        self.world.tell("service", f"sells {job.id} of {key} for {cost}")
        return self._sold(job, path)

    def _sold(self, job: Job, path: str) -> httpx.Response:
        if path.endswith("/generations"):
            return httpx.Response(202, json=_generation(job))
        answer = {
            "id": job.id,
            "model": job.model,
            "session_id": job.body.get("session_id") or f"s_{job.key}",
            "message": {"role": "assistant", "content": job.answer},
            "credits": {"reserved": job.reserved, "final": job.cost},
        }
        return httpx.Response(200, json=answer)

    def _end_jobs(self, moment: float) -> None:
        for job in [one for one in self.running if one.ends_at <= moment]:
            self.running.remove(job)
            job.final = job.cost
            self.balance += job.reserved - job.final

    def _draw(self, key: str, what: str) -> float:
        """0 to 1, the same whenever it is asked of a key."""
        return random.Random(f"{self.world.seed} {what} {key}").random()

    def _unlucky(self, key: str, what: str, share: float) -> bool:
        return not self.world.calm and self._draw(key, what) < share


def _refusal(status: int, code: str) -> httpx.Response:
    envelope = {"error": {"code": code, "message": "No.", "requestId": "req_1"}}
    return httpx.Response(status, json=envelope)


def _generation(job: Job) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": job.id,
        "object": "generation",
        "model": job.model,
        "status": "processing",
        "reserved_credits": job.named,
        "created_at": "2026-11-25T12:00:00Z",
    }
    if job.final is None:
        return answer
    answer |= {"status": "failed" if job.fails else "succeeded", "final_credits": job.final}
    if job.fails:
        return answer | {"error": {"code": "generation_failed", "message": "It failed."}}
    name = f"{job.id}-blank" if job.is_blank else job.id
    return answer | {"result": {"urls": [f"https://results.example/{name}.png"]}}


@dataclass
class Network(httpx.AsyncBaseTransport):
    """Carries requests of a process to the service, and loses, delays, cuts and repeats them.

    Attributes:
        trouble: The share of paid requests with a fault; of the others, a quarter of it.
        is_down: No request leaves the machine.
        on_purchase: Called with the idempotency key of each paid request before it leaves.
    """

    service: Service
    process: Process
    trouble: float
    is_down: bool
    on_purchase: Callable[[Process, str], None]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As every transport of httpx."""
        world, process = self.service.world, self.process
        process.effect()
        fault, is_paid = "", request.method == "POST"
        if is_paid:
            self.on_purchase(process, request.headers.get("idempotency-key", ""))
        if self.is_down and not world.calm:
            fault = "unsent"
        elif world.fails(self.trouble if is_paid else self.trouble / 4):
            fault = world.chance.choice(world.chance.choice(_PAID) if is_paid else _FREE)
        if fault:
            world.faults[fault] += 1
        path = request.url.path.removeprefix("/api/v1")
        world.tell(process.name, f"{request.method} {path} {fault and f'({fault})'}")
        # What has left arrives, whatever becomes of the process.
        response = await asyncio.shield(asyncio.ensure_future(self._carry(fault, request)))
        process.effect()
        return response

    async def _carry(self, fault: str, request: httpx.Request) -> httpx.Response:
        world, answer = self.service.world, self.service.answer
        world.in_flight += 1
        try:
            await world.pause(0.1 if fault != "slow" else 60)
        finally:
            world.in_flight -= 1
        match fault:
            case "" | "slow":
                return answer(request)
            case "unsent":
                raise httpx.ConnectError("Connection refused")
            case "lost before":
                raise httpx.ReadError("")
            case "lost after":
                answer(request)
                raise httpx.ReadError("")
            case "late":
                world.in_flight += 1
                world.loop.call_later(world.chance.random() * 90, self._deliver, request)
                raise httpx.ReadTimeout("")
            case "cut":
                whole = answer(request)
                half = whole.content[: len(whole.content) // 2]
                return httpx.Response(whole.status_code, content=half)
            case "gateway after":
                answer(request)
                return _gateway_page(world)
            case "gateway":
                return _gateway_page(world)
            case "twice":
                answer(request)
                return answer(request)
        status, _, code = fault.partition(" ")
        return _refusal(int(status), code)

    def _deliver(self, request: httpx.Request) -> None:
        self.service.world.in_flight -= 1
        self.service.answer(request)

    async def aclose(self) -> None:
        """Nothing is open."""


def _gateway_page(world: World) -> httpx.Response:
    return httpx.Response(world.chance.choice([502, 504, 403]), text="<html>gateway</html>")


_FREE = (
    *("unsent", "lost before", "cut", "gateway", "slow"),
    *("404 not_found", "503 internal_error", "429 rate_limited"),
)
_SILENCE = ("lost after", "late", "cut", "gateway after")
_RETRIED = (
    *("429 rate_limited", "429 rate_limited", "503 public_api_disabled", "500 internal_error"),
    *("409 idempotency_conflict", "lost before", "gateway", "unsent"),
)
_REFUSED = (
    *("400 validation_failed", "401 api_key_revoked", "402 insufficient_credits"),
    *("403 api_scope_denied", "404 not_found", "409 chat_session_conflict"),
)
_PAID = (_SILENCE, _SILENCE, _RETRIED, _RETRIED, _REFUSED, _REFUSED, ("twice", "slow"))
