"""The contract of a service, compared."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.doctor.checks import model_checks, route_checks
from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.operations import OPERATIONS
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from


def document(without: str = "", prefix: str = "/api/v1") -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        if f"{one.method} {one.path}" != without:
            path = one.path.replace("{taskId}", "{id}").replace("/api/v1", prefix)
            paths.setdefault(path, {})[one.method.lower()] = {}
    return {"openapi": "3.1.0", "paths": paths}


@pytest.mark.parametrize("prefix", ["/api/v1", ""])
def test_the_routes_of_the_contract_are_all_there_and_none_is_new(prefix: str) -> None:
    [check] = route_checks(document(prefix=prefix))
    assert (check.status, check.message) == ("ok", "20 in the OpenAPI 3.1.0 document")


def test_only_a_missing_route_that_runs_need_is_a_problem() -> None:
    [missing, _] = route_checks(document("POST /api/v1/generations"))
    assert (missing.status, missing.message) == ("problem", "missing: POST /generations")
    [missing, _] = route_checks(document("GET /api/v1/webhook-events"))
    assert missing.status == "warning"
    more = document()
    more["paths"]["/api/v1/quotes"] = {"post": {}, "summary": "x"}
    assert [one.message for one in route_checks(more)] == [
        "21 in the OpenAPI 3.1.0 document; new: POST /quotes"
    ]
    unreadable: list[dict[str, Any]] = [{}, {"paths": []}, {"paths": {"/x": "y"}}]
    for one in unreadable:
        assert [check.status for check in route_checks(one)] == ["problem"]


def test_differences_of_models_are_no_problem_and_an_unreadable_list_is() -> None:
    wire: Any = copy.deepcopy(dict(shipped().wire))
    for entry in wire["data"]:
        del entry["notices"]
        entry["tags"] = []
    wire["data"][0]["base_credits"] = 2
    wire["data"][0]["params"] = [{"name": "aspect"}, {"key": "n", "type": "number", "unit": "s"}]
    del wire["data"][1]
    found = [(one.status, one.message) for one in model_checks(wire, shipped())]
    assert found[0][1].endswith(": 0 new, 1 changed, 1 gone")
    assert [status for status, _ in found[1:3]] == ["warning", "warning"]
    assert found[1][1].startswith("z-image: 2 credits here, 1 in the shipped catalogue; ")
    assert found[3:] == [
        ("ok", "new in a model: tags"),
        ("warning", "in no model any more: notices"),
        ("ok", "new in a parameter: unit"),
        ("warning", found[-1][1]),
    ]
    assert found[-1][1].startswith("1 of ")
    unreadable: list[dict[str, Any]] = [{}, {"data": []}, {"data": [1, {"id": 2}]}]
    for one in unreadable:
        assert [check.status for check in model_checks(one, shipped())] == ["problem"]


def test_the_sandbox_keeps_the_contract_and_nothing_is_bought(
    call: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyless = call("doctor", "--live")
    assert keyless.code == 1
    assert "there is no key of the service to try" in keyless.out
    buy_from(sandbox, monkeypatch)
    said = call("doctor", "--live", "--json")
    assert said.code == 0
    found = {one["name"]: one for one in said.document["checks"]}
    assert found["models"]["message"].endswith("0 new, 0 changed, 0 gone")
    assert found["routes"]["message"] == "20 in the OpenAPI 3.1.0 document"
    assert found["service"]["message"].partition(", pretend")[0].endswith("; 1000 credits")
    assert ledger(sandbox.data)["generations"] == []
