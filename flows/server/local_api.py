"""What is asked of a Prefect server of our own on this machine, without importing Prefect."""

from __future__ import annotations

import hmac
import http.client
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from rivya_flows.flows.server.password import OPEN, basic, proof_of

_FINAL = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]
_OPEN = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]
_ANSWER_SECONDS = 5
_LONGEST_PROOF = 4096  # bytes; whoever answers is not known yet


@dataclass(frozen=True)
class Loopback:
    """A server on a port of 127.0.0.1.

    Attributes:
        port: Where it is.
        auth: ``user:password``; "" where it is not known yet, and no server is ours.
    """

    port: int
    auth: str = field(repr=False)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer.

        Raises:
            OSError: There is none.
            http.client.HTTPException: It does not answer with 200 or 201.
        """
        headers = {"Content-Type": "application/json", "Authorization": basic(self.auth)}
        status, content = self._exchange(method, path, json.dumps(body), headers)
        if status not in (200, 201):
            raise http.client.HTTPException(f"{method} {path}: HTTP {status}")
        return json.loads(content)

    def healthy(self) -> bool:
        """Whether our server answers on the port and is well.

        It must prove first that it knows the password: another user of the machine could listen
        there, and would be told the password by the next request.
        """
        if not self.auth:
            return False
        nonce = secrets.token_hex(16)
        try:
            _, proof = self._exchange(
                "GET", f"{OPEN}/proof?nonce={nonce}", None, {}, _LONGEST_PROOF
            )
            shown = str(json.loads(proof).get("proof"))
            known = proof_of(self.auth, self.port, nonce)
            if not hmac.compare_digest(shown.encode(), known.encode()):
                return False
            return bool(self.ask("GET", "/api/health"))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            return False

    def entrance(self, to: str = "/v2") -> str:
        """An address that lets one browser in, once.

        Args:
            to: Path of the page that it comes to.

        Raises:
            OSError: There is no server.
            http.client.HTTPException: It does not answer with success.
        """
        ticket = self.ask("POST", f"{OPEN}/tickets")["ticket"]
        where = "" if to == "/v2" else f"?to={quote(to)}"
        return f"http://127.0.0.1:{self.port}{OPEN}{where}#{ticket}"

    def task_runs_since(self, began: datetime) -> tuple[int, int]:
        """Task runs of the flow runs that began after a moment and have ended: all, and open ones.

        Raises:
            OSError: There is no server.
            http.client.HTTPException: It does not answer with success.
        """
        ended = {
            "state": {"type": {"any_": _FINAL}},
            "start_time": {"after_": began.isoformat()},
        }
        still_open = {"state": {"type": {"any_": _OPEN}}}
        count = "/api/task_runs/count"
        return (
            self.ask("POST", count, {"flow_runs": ended}),
            self.ask("POST", count, {"flow_runs": ended, "task_runs": still_open}),
        )

    def _exchange(
        self,
        method: str,
        path: str,
        body: str | None,
        headers: dict[str, str],
        most_bytes: int | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of an answer; reads at most `most_bytes` of the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(most_bytes)
        finally:
            connection.close()
