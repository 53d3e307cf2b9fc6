"""A recorded sandbox for the session, and a place with a wallet of its own for each test."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from frozen.golden import hash_of, normal
from frozen.seams import (
    BASE_URL,
    DOCS,
    OWN,
    SPECS,
    WORDS,
    Wire,
    idempotency_key,
    journal_of,
    new_customer,
    order_faults,
    recorded_sandbox,
    said_well,
)
from support.cli_calls import Terminal
from support.function_steps import installing

_NOISE = {
    "spec_file",
    "kind",
    "step",
    "key",
    "at",
    "rest",
    "body",
    "idempotency_key",
    "request_hash",
    "message",
    "looks",
    "catalogue_date",
}
"""Fields of an event that vary, or that stand elsewhere in a golden file."""


@dataclass
class Stage:
    """A place to call commands, with 1,000 credits at the recorded sandbox.

    Attributes:
        runs: Ids of the runs that were made, in order.
    """

    wire: Wire
    call: Terminal
    folder: Path
    runs: list[str] = field(default_factory=list)

    def said(self, *arguments: object) -> dict[str, Any]:
        """Exit code and document of a command with ``--json``; RUN is the last run."""
        last = self.runs[-1] if self.runs else "none"
        words = [str(one).replace("RUN", last) for one in arguments]
        said = self.call(*words, "--json")
        document = said.document
        if isinstance(document, dict) and "--plan" not in words:
            rows = document.get("rows", []) if words[0] == "batch" else [document]
            self.runs += [
                row["run_id"]
                for row in rows
                if row.get("run_id") and row["run_id"] not in self.runs
            ]
        return {"code": said.code, "printed": document}

    def played(self, commands: list[Any]) -> list[dict[str, Any]]:
        """What each command of a scenario said; a map of faults is ordered from the sandbox."""
        seen = []
        for line in commands:
            if isinstance(line, dict):
                order_faults(self.wire.sandbox, json.dumps(line) if line["faults"] else "")
                continue
            words = shlex.split(line)
            for name, folder in (("SPECS", SPECS), ("OWN", OWN), ("DOCS", DOCS)):
                words = [word.replace(f"{name}/", f"{folder}/") for word in words]
            seen.append({"command": " ".join(words), **self.said(*words)})
        return seen

    def normal(self, value: Any) -> Any:
        """With placeholders; the key of a purchase is named by what its rule makes it from."""
        replaced = {str(DOCS): "<docs>", str(OWN): "<own>", str(SPECS): "<specs>"}
        replaced[str(self.folder)] = "<tmp>"
        for number, run_id in enumerate(self.runs, 1):
            nonce = journal_of(self.call, run_id)[0]["nonce"]
            for row in self.receipt(run_id)["ledger"]:
                key = idempotency_key(nonce, row["step"], row["key"], row["n"])
                replaced[key] = f"<key of {number} {row['step']}[{row['key']}]#{row['n']}>"
        return normal(value, replaced)

    def receipt(self, run_id: str) -> dict[str, Any]:
        """The receipt of a run, with its ledger by step and item."""
        found: dict[str, Any] = said_well(self.call("receipt", run_id, "--json")).document
        found["ledger"].sort(key=lambda row: (row["step"], row["key"], row["n"]))
        found["spec"]["text"] = hash_of(found["spec"]["text"])
        return found

    def posts(self) -> list[dict[str, Any]]:
        """What was posted, by path, key and content: steps side by side have no order."""
        named = self.normal([post["key"] for post in self.wire.posts])
        pairs = sorted(
            zip(named, self.wire.posts, strict=True),
            key=lambda pair: (pair[1]["path"], str(pair[0]), str(pair[1]["body"])),
        )
        return [post for _, post in pairs]

    def history(self, run_id: str) -> dict[str, Any]:
        """The events of a run: those of the run, of each step, of each item; each in its order."""
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for event in journal_of(self.call, run_id):
            place = "items" if "key" in event else "steps" if event.get("step") else "run"
            name = event.get("step") or "run"
            if place == "items":
                name += f"[{event['key']}]"
            found[place][name].append(line_of(event))
        found["run"]["uploads"] = sorted(
            line for line in found["run"]["run"] if line.startswith("file.uploaded")
        )
        found["run"]["run"] = [
            line for line in found["run"]["run"] if not line.startswith("file.uploaded")
        ]
        return found

    def files(self, run_id: str) -> list[str]:
        """The files of the folder of a run."""
        folder = self.folder / "runs" / run_id
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def told(self) -> dict[str, Any]:
        """All that is known of the runs of this place."""
        runs = [
            {
                "receipt": self.receipt(run_id),
                "history": self.history(run_id),
                "files": self.files(run_id),
            }
            for run_id in self.runs
        ]
        return {"runs": runs, "posts": self.posts()}


def line_of(event: dict[str, Any]) -> str:
    """One line of an event: its kind, and its short values that do not vary."""
    words = [event["kind"]]
    for key, value in sorted(event.items()):
        if key in _NOISE or key.endswith("seconds") or key == "credits" or value is None:
            continue
        if isinstance(value, str | int) and len(str(value)) <= 40:
            words.append(f"{key}={value}")
    if "request_hash" in event:
        words.append(f"request={hash_of(event['request_hash'])} hit={event['outputs'] is not None}")
    if "by" in event:
        words.append("by " + " ".join(str(event["by"][key]) for key in ("channel", "name")))
    return " ".join(words)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """The service of the tests of a module; what it changes in this process ends with them."""
    with recorded_sandbox(tmp_path_factory.mktemp("frozen") / "sandbox") as wire:
        yield wire


@pytest.fixture
def stage(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Stage]:
    """A place with a wallet of its own, where `split_words` is a kind of step."""
    monkeypatch.setenv("RIVYA_BASE_URL", BASE_URL)
    monkeypatch.setenv("RIVYA_POLL_SECONDS", "0.02")
    monkeypatch.setenv("RIVYA_API_KEY", new_customer(wire.sandbox, tmp_path.name))
    monkeypatch.setenv("RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY", "true")
    monkeypatch.setenv("FROZEN_HOOK", f"{BASE_URL}/hook")
    monkeypatch.setenv("USER", "frozen")
    monkeypatch.setenv("LOGNAME", "frozen")
    monkeypatch.setenv("COLUMNS", "200")
    wire.clear()
    with installing(tmp_path, monkeypatch) as install:
        install("frozen_steps", WORDS, "split_words = frozen_steps:split_words")
        yield Stage(wire, Terminal(capsys), tmp_path)
    order_faults(wire.sandbox, "")
