"""Calls of Prefect's API, behind its password."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

OVER = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
OPEN_TASKS = ["RUNNING", "PENDING", "SCHEDULED", "CANCELLING"]


class PrefectServer:
    """The API of a server.

    Args:
        api_url: Ends in ``/api``.
        auth: ``name:password``.
    """

    def __init__(self, api_url: str, auth: str) -> None:
        self.api_url = api_url
        self._authorization = "Basic " + base64.b64encode(auth.encode()).decode()
        # The server is on this machine: use no proxy.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method: str, path: str, body: object = None, *, known: bool = True) -> Any:
        """Send a request; returns the JSON of the answer.

        Args:
            method: Of HTTP.
            path: Below ``/api``.
            body: JSON; None sends none.
            known: Whether to send the password.

        Raises:
            urllib.error.HTTPError: Any answer but success.
        """
        request = urllib.request.Request(
            self.api_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if known:
            request.add_header("Authorization", self._authorization)
        with self._opener.open(request, timeout=60) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def answers(self) -> bool:
        """Whether the server and its database answer."""
        try:
            return bool(self.ask("GET", "/ready"))
        except OSError:
            return False

    def refuses_strangers(self) -> bool:
        """Whether it refuses requests without the password."""
        try:
            self.ask("POST", "/flow_runs/count", {}, known=False)
        except urllib.error.HTTPError as error:
            return error.code == 401
        return False

    def start(self, deployment: str, idempotency_key: str, parameters: Mapping[str, Any]) -> str:
        """The id of the flow run with that key: new or existing."""
        found = self.ask("GET", f"/deployments/name/{deployment}")
        body = {
            "parameters": parameters,
            "idempotency_key": idempotency_key,
            "state": {"type": "SCHEDULED"},
        }
        made = self.ask("POST", f"/deployments/{found['id']}/create_flow_run", body)
        return str(made["id"])

    def states(self, flow_runs: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Type, name and message of the state of each flow run."""
        body = {"flow_runs": {"id": {"any_": list(flow_runs)}}}
        rows = self.ask("POST", "/flow_runs/filter", body)
        return {row["id"]: row["state"] for row in rows}

    def events(self, prefix: str) -> Counter[str]:
        """Number of events by name."""
        body = {"filter": {"event": {"prefix": [prefix]}}}
        rows = self.ask("POST", "/events/count-by/event", body)
        return Counter({row["value"]: row["count"] for row in rows})

    def open_task_runs(self, flow_runs: Sequence[str]) -> list[str]:
        """Names of unfinished task runs."""
        body = {
            "flow_runs": {"id": {"any_": list(flow_runs)}},
            "task_runs": {"state": {"type": {"any_": OPEN_TASKS}}},
        }
        return sorted(row["name"] for row in self.ask("POST", "/task_runs/filter", body))

    def counts(self, flow_runs: Sequence[str]) -> Counter[str]:
        """Number of flow runs by state name."""
        return Counter(state["name"] for state in self.states(flow_runs).values())

    def pause(self, work_pool: str, *, paused: bool) -> None:
        """Let the workers of a pool take no further runs, or take them again."""
        self.ask("PATCH", f"/work_pools/{work_pool}", {"is_paused": paused})

    def online(self, work_pool: str) -> set[str]:
        """Names of the workers of a pool that are online."""
        rows = self.ask("POST", f"/work_pools/{work_pool}/workers/filter", {})
        return {row["name"] for row in rows if row["status"] == "ONLINE"}

    def count(self, deployment: str, types: Sequence[str]) -> int:
        """Number of flow runs of a deployment with a state of these types."""
        found = self.ask("GET", f"/deployments/name/{deployment}")
        body = {
            "flow_runs": {
                "deployment_id": {"any_": [found["id"]]},
                "state": {"type": {"any_": list(types)}},
            }
        }
        return int(self.ask("POST", "/flow_runs/count", body))
