"""Kinds of step of another distribution: one module with a free one, one that is paid for its work and
one with a route of its own, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.json_schema import json_schema
from rivya_flows.spec.load import check
from rivya_flows.steps.registry import installed_kinds
from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, customer, studio_at
from support.function_steps import HEAD, Installer, installing

KINDS = '''
import json
from typing import Annotated

from rivya_flows.steps.kind import Kind, Route, SpecModel, Takes, Value


class CountWith(SpecModel):
    """What `count_words` takes.

    Attributes:
        text: What is counted.
    """

    text: Annotated[Value, Takes(("text", "number", "boolean"))]


class CountWords(Kind):
    uses, says, takes, outputs = "count_words", "Counts words.", CountWith, ("words",)

    async def work(self, arguments, folder, idempotency_key):
        return {"words": len(arguments["text"].split())}


class Translate(CountWords):
    uses, says, outputs, credits = "translate", "Translates a text.", ("text",), 3

    def request(self, given, world):
        if given.get("text") == "":
            given.problem("wrong-value", "there is nothing to translate", "write a text", "text")
        return super().request(given, world)

    async def work(self, arguments, folder, idempotency_key):
        (folder / "log.txt").write_text(idempotency_key)
        return {"text": arguments["text"].upper()}


def send(client, body, key, retry):
    return client.generations.create(body, idempotency_key=key, retry=retry)


class Sketch(Kind):
    uses, says, takes, outputs = "sketch", "Sketches a text.", CountWith, ("asset",)
    credits, route, media = 1, Route("sketches", send), "image"

    def body(self, request, files, trace):
        asked = {"model": "z-image", "prompt": request.arguments["text"]}
        return json.dumps({**asked, "client_request_id": trace})
'''
SPEC = (
    HEAD
    + "inputs: {line: {type: string, default: a lamp}}\n"
    + "steps:\n"
    + "  german:\n    uses: translate\n    with: {text: '${{ inputs.line }}'}\n"
    + "  size:\n    uses: count_words\n    with: {text: '${{ steps.german.text }}'}\n"
    + "outputs: {words: '${{ steps.size.words }}', text: '${{ steps.german.text }}'}\n"
)
SKETCH = (
    HEAD
    + "steps:\n  one:\n    uses: sketch\n    with: {text: a lamp}\n"
    + "outputs: {sketch: '${{ steps.one.asset }}'}\n"
)


@pytest.fixture(autouse=True)
def kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installing(tmp_path, monkeypatch) as install:
        put: Installer = install
        named = {"count_words": "CountWords", "translate": "Translate", "sketch": "Sketch"}
        put("other_kinds", KINDS, "\n".join(f"{k} = other_kinds:{v}" for k, v in named.items()))
        yield


def test_a_package_of_three_kinds_has_at_most_fifty_lines() -> None:
    assert len(KINDS.strip().splitlines()) <= 50


def test_an_editor_describes_the_kinds_of_others() -> None:
    schema = json_schema(shipped(), installed_kinds())
    uses = schema["$defs"]["Step"]["properties"]["uses"]
    said = dict(zip(uses["enum"], uses["enumDescriptions"], strict=True))
    assert said["translate"] == "Translates a text."
    properties = schema["$defs"]["CountWith"]["properties"]
    assert properties["text"]["description"] == "What is counted."


def test_the_price_of_the_paid_kind_is_known_before_a_run() -> None:
    paid, free = installed_kinds()["translate"], installed_kinds()["count_words"]
    assert (paid.own_price.min, paid.own_price.max, free.buys) == (3, 3, False)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("text: [a]", "wrong-type"),
        ("text: ''", "wrong-value"),
        ("text: '${{ steps.size.wordz }}'", "unknown-field"),
        ("texts: a", "unknown-key"),
    ],
)
def test_check_finds_what_the_kind_of_others_does_not_take(written: str, code: str) -> None:
    text = SPEC.replace("text: '${{ inputs.line }}'", written)
    _, found = check(text, file="a.yaml", catalogue=shipped())
    assert code in {one.code for one in found}


def test_a_run_buys_from_the_paid_kind_once_and_its_receipt_has_the_row(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    studio = studio_at(tmp_path / "store", sandbox.base_url, sandbox.api_key)
    studio.run(SPEC)
    receipt: dict[str, Any] = studio.receipt("run-1")
    assert receipt["outputs"] == {"words": 2, "text": "A LAMP"}
    rows = [(row["route"], row["model"], row["status"], row["final"]) for row in receipt["ledger"]]
    assert rows == [("function", "translate", "succeeded", 3)]


@pytest.mark.parametrize("post", [1, -1])
async def test_a_kind_with_a_route_of_its_own_buys_once_though_the_process_ends_around_the_request(
    post: int, sandbox: Sandbox, tmp_path: Path
) -> None:
    studio = customer(sandbox, tmp_path / "store")
    await studio.start(SKETCH, "run-1")
    assert await studio.execute("run-1", bomb=Bomb(post=post)) is None
    assert await studio.execute("run-1") is not None
    receipt: dict[str, Any] = studio.receipt("run-1")
    rows = [(row["route"], row["model"], row["status"], row["final"]) for row in receipt["ledger"]]
    assert rows == [("sketches", "z-image", "succeeded", 1)]
    assert receipt["outputs"]["sketch"]["kind"] == "image"
    [job] = ledger(sandbox.data, account=studio.account)["generations"]
    assert job["idempotency_key"] == receipt["ledger"][0]["idempotency_key"]


async def test_a_purchase_is_never_sent_by_another_route_than_it_was_intended_for(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = customer(sandbox, tmp_path / "store")
    await studio.start(SKETCH, "run-1")
    assert await studio.execute("run-1", bomb=Bomb(post=1)) is None
    kind = installed_kinds()["sketch"]
    assert kind.route is not None
    monkeypatch.setattr(kind, "route", replace(kind.route, name="drawings"))
    await studio.execute("run-1")
    [step] = studio.receipt("run-1")["steps"]
    assert step["items"][0]["reason"].startswith("'sketch' does not buy by 'sketches' any more")
    assert ledger(sandbox.data, account=studio.account)["generations"] == []


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ("Kind()", "registered as 'odd', and its `uses` is ''"),
        ("type('Odd', (Kind,), {'uses': 'odd'})()", "it has no `work`"),
        ("type('Odd', (CountWords,), {'uses': 'odd', 'credits': -1})()", "less than 0"),
        ("type('Odd', (CountWords,), {'uses': 'odd', 'outputs': ('status',)})", "reserved name"),
        ("type('Odd', (CountWords,), {'uses': 'odd', 'row': ('words',)})()", "have no place"),
        ("type('Odd', (CountWords,), {'uses': 'odd', 'route': Route('odd')})()", "no `send`"),
        ("type('Odd', (CountWords,), {'uses': 'odd', 'route': Route('chat')})()", "of another one"),
    ],
)
def test_a_kind_that_cannot_be_a_step_is_refused_where_it_is_used(
    made: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with installing(tmp_path / "odd", monkeypatch) as install:
        install("odd_kinds", f"{KINDS}\nodd = {made}\n", "odd = odd_kinds:odd")
        text = HEAD + "steps:\n  a:\n    uses: odd\n    with: {text: a}\n"
        _, [found] = check(text, file="a.yaml", catalogue=shipped())
    assert (found.code, reason in found.message) == ("broken-step", True)
