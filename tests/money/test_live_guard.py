"""What is said and asked before a real wallet is charged."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from rivya_flows.batch.execution import run_batch
from rivya_flows.engine.run import Run, Runner
from rivya_flows.engine.run_context import ServiceConnection, open_context
from rivya_flows.errors import NotConfirmedError, UsageError
from rivya_flows.flows.execution.execute import _begin
from rivya_flows.money.live_guard import (
    Confirm,
    Spending,
    confirm_live,
    is_rehearsal,
    refuse_unknown_names,
    sentence,
    shown_key,
)
from rivya_flows.preparation.prepare import RunRequest
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.receipt.report import RunReport
from rivya_flows.runs.execution import Caller, fork_request, run
from rivya_flows.runs.resume import ResumeOptions, resume
from rivya_flows.settings import Settings, read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.pools import Pool, Pools
from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.startup import Sandbox
from support.batches import ROWS, Observer as BatchObserver, batch_options, caller_of
from support.cli_calls import buy_from
from support.engine_runs import Bomb, Studio, customer, stills

KEY = "rvya_sk_0123456789abcdef"
REAL = ServiceConnection("https://rivya.ai", SecretStr(KEY), "https://rivya.ai", 1.0)
SAID = "This buys from https://rivya.ai with the key rvya_sk_…cdef (wallet: 1,000 credits). "


@pytest.mark.parametrize(
    ("url", "live", "rehearses"),
    [
        ("https://rivya.ai", False, False),
        ("https://localhost.rivya.ai", False, False),
        ("http://127.0.0.1:8700", False, True),
        ("http://[::1]:8700", False, True),
        ("http://localhost", False, True),
        ("http://localhost", True, False),
    ],
)
def test_a_service_of_this_machine_is_a_rehearsal(url: str, live: bool, rehearses: bool) -> None:
    assert is_rehearsal(url, Settings(rivya_flows_live=live)) is rehearses


@pytest.mark.parametrize(
    ("key", "shown"),
    [(KEY, "rvya_sk_…cdef"), ("another-key-of-20-chars", "…hars"), ("rvya_sk_short", "rvya_sk_…")],
)
def test_a_key_is_shown_by_its_last_characters(key: str, shown: str) -> None:
    assert shown_key(key) == shown


@pytest.mark.parametrize(
    ("found", "price"),
    [
        (Spending(2, 21, 1000), "At most 21 credits."),
        (Spending(1, 1, 1000), "At most 1 credit."),
        (Spending(1200, None, 1000), "At least 1,200 credits; no upper bound is known."),
        (Spending(2, None, 1000, {"budget 20": 18}), "At most about 18 credits (budget 20)."),
        (Spending(2, 9, 1000, {"budget 20": 18, "its quote": None}), "At most 9 credits (budget 20, its quote)."),
        (Spending(2, 9, 1000, {"budget 20": -1}), "At most 0 credits (budget 20)."),
    ],
)  # fmt: skip
def test_the_sentence_names_service_key_wallet_and_the_most(found: Spending, price: str) -> None:
    assert sentence(REAL, found) == SAID + price
    of_acme = sentence(replace(REAL, wallet="acme"), found)
    assert " of the wallet acme (1,000 credits). " + price in of_acme


Asked = list[str]


def answering(answer: bool, asked: Asked) -> Confirm:
    async def confirm(words: str) -> bool:
        asked.append(words)
        return answer

    return confirm


LOCAL = ServiceConnection("http://127.0.0.1:9", None, "sandbox:1", 1.0)


@pytest.mark.parametrize(
    ("service", "found", "answer", "told", "asked", "refused"),
    [
        (REAL, Spending(1, 2, 1000), True, 0, 1, ""),
        (REAL, Spending(1, 2, 1000), False, 0, 1, "nothing was bought"),
        (REAL, Spending(1, 2, 1000), None, 0, 0, "Nothing was bought"),
        (REAL, Spending(1, None, 9, {"budget 9": 9}), None, 1, 0, ""),
        (REAL, Spending(0, 0, 1000), None, 0, 0, ""),
        (REAL, Spending(1, 2, 9, {"pool a": 0}), None, 1, 0, ""),
        (LOCAL, Spending(1, None, 1000), None, 0, 0, ""),
    ],
    ids=["yes", "no", "nobody", "cap", "free", "empty pool", "sandbox"],
)
async def test_what_no_cap_limits_is_bought_only_after_a_yes(
    tmp_path: Path,
    service: ServiceConnection,
    found: Spending,
    answer: bool | None,
    told: int,
    asked: int,
    refused: str,
) -> None:
    lines, questions = Asked(), Asked()
    confirm = None if answer is None else answering(answer, questions)
    with open_context(Settings(rivya_flows_data=tmp_path), service) as context:
        if refused:
            with pytest.raises(NotConfirmedError, match=refused) as caught:
                await confirm_live(context, found, lines.append, confirm)
            assert "--budget N" in str(caught.value.hint)
            assert "--yes" in str(caught.value.hint)
        else:
            agreed = await confirm_live(context, found, lines.append, confirm)
            assert agreed == (found.most if answer else None)
    assert (len(lines), len(questions)) == (told, asked)


async def test_nothing_real_is_bought_beside_a_misspelled_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVIA_API_KEY", "perhaps somebody else's")
    monkeypatch.setenv("RIVYA_FLOWS_SANBOX", "true")
    settings, told = Settings(rivya_flows_data=tmp_path), Asked()
    capped = Spending(1, 2, 9, {"budget 9": 9})
    words = "environment: RIVYA_FLOWS_SANBOX is no setting; nothing is bought from a real wallet while it is set"
    with open_context(settings, REAL) as context:
        with pytest.raises(UsageError, match=words) as refused:
            await confirm_live(context, capped, told.append, answering(True, told))
        instead = "set RIVYA_FLOWS_SANDBOX in the environment instead"
        assert refused.value.hint == f"`unset RIVYA_FLOWS_SANBOX`, and {instead}"
        await confirm_live(context, Spending(0, 0, 9), told.append, None)  # buys nothing
    pretend = replace(REAL, base_url="http://127.0.0.1:9")
    with open_context(settings, pretend) as context:
        await confirm_live(context, capped, told.append, None)
    assert told == []
    monkeypatch.delenv("RIVYA_FLOWS_SANBOX")
    monkeypatch.setenv("RIVYA_FLOWS_RECEIVER_SERVICE_HOST", "10.0.0.9")  # of Kubernetes
    monkeypatch.setenv("RIVYA_FLOWS_RECEIVER_PORT_8710_TCP", "tcp://10.0.0.9:8710")
    with open_context(settings, REAL) as context:
        await confirm_live(context, capped, told.append, None)


MEANT = {
    "RIVYA_SANDBOX": "RIVYA_FLOWS_SANDBOX", "RIVYA_SANBOX": "RIVYA_FLOWS_SANDBOX", "RIVYA_LIVE": "RIVYA_FLOWS_LIVE",
    "RIVYA_DATA": "RIVYA_FLOWS_DATA", "RIVYA_URL": "RIVYA_BASE_URL", "RIVYA_API_URL": "RIVYA_BASE_URL",
    "RIVYA_ENDPOINT": "RIVYA_BASE_URL", "RIVYA_KEY": "RIVYA_API_KEY", "RIVYA_TOKEN": "RIVYA_API_KEY",
    "RIVYA_FLOWS_API_KEY": "RIVYA_API_KEY", "rivya_sandbox": "RIVYA_FLOWS_SANDBOX",
}  # fmt: skip
OF_YOURS = "; a variable of yours needs a name that does not begin with RIVYA"
INSTEAD = {
    "RIVYA_BUDGET": "; a budget is `--budget N`, or `budget: {credits: N}` in the spec",
    "RIVYA_NOTE": OF_YOURS,
    "RIVYA_API_KEY_OLD": OF_YOURS,
    **{name: f", and set {meant} in the environment instead" for name, meant in MEANT.items()},
}


@pytest.mark.parametrize("name", INSTEAD)
def test_a_variable_that_begins_as_ours_and_is_none_is_refused_with_what_was_meant(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(UsageError, match=f"environment: {name} is no setting") as refused:
        refuse_unknown_names()
    assert refused.value.hint == f"`unset {name}`{INSTEAD[name]}"


class ReachedError(Exception):
    """A run would begin to buy."""


class Unprepared(Runner):
    """A runner that only says that it was reached."""

    async def execute(self, run: Run) -> RunReport:
        raise ReachedError


@pytest.fixture
def live(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox that counts as the real service."""
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("RIVYA_FLOWS_LIVE", "true")
    return sandbox


async def test_a_run_without_a_cap_is_not_even_journaled(live: Sandbox, tmp_path: Path) -> None:
    settings, out = read_settings(), tmp_path / "runs"
    request = RunRequest(SpecFile(stills(2), "spec.yaml", None), lambda _: {})
    with pytest.raises(NotConfirmedError, match="not confirmed: this buys from http://127"):
        await run(request, Caller(settings, Unprepared()), out)
    assert not out.exists()
    assert ledger(live.data)["generations"] == []
    asked = Asked()
    caller = Caller(settings, Unprepared(), confirm=answering(True, asked))
    with pytest.raises(ReachedError):
        await run(request, caller, out)
    assert asked[0].endswith("(wallet: 1,000 credits). At most 2 credits.")

    [folder] = out.iterdir()
    forked, _ = fork_request(folder.name, settings)
    assert forked.budget is None, "a fork asks again"
    told = Asked()
    watching = Caller(settings, Unprepared(), notify=told.append)
    for options in (ResumeOptions(), ResumeOptions(regenerate=("*",))):
        with pytest.raises(ReachedError):  # what was agreed to caps the run from then on
            await resume(folder.name, options, watching)
    assert sum(line.endswith("At most 2 credits (budget 2).") for line in told) == 2
    with pytest.raises(ReachedError):
        await resume(folder.name, ResumeOptions(budget=5), watching)
    assert [line for line in told if "At most 2 credits (budget 5)." in line]
    with closing(Journal(settings.store_url)) as journal:
        Pools(journal.engine).set(Pool("all", {}, 40))
    with pytest.raises(ReachedError):
        await run(request, watching, out)
    assert [line for line in told if "At most 2 credits (pool all, 40 left)." in line]
    assert ledger(live.data)["generations"] == []


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    """A studio whose sandbox counts as the real service."""
    made = customer(shared_sandbox, tmp_path / "studio")
    made.service = replace(made.service, identity=shared_sandbox.base_url)
    made.settings = Settings(rivya_flows_data=made.folder, rivya_flows_live=True)
    return made


async def test_the_log_of_a_flow_run_says_what_it_buys(studio: Studio) -> None:
    told, request = Asked(), RunRequest(SpecFile(stills(2), "spec.yaml", None), lambda _: {})
    with studio.context(Bomb()) as context:
        await _begin(context, "run-1", request, told.append)
        assert context.journal.run("run-1") is not None
    said = f"This buys from {studio.service.base_url} with"
    assert [line for line in told if line.startswith(said)]


async def test_a_batch_says_the_sum_of_its_rows_and_only_its_own_budget_caps_it(
    studio: Studio,
) -> None:
    asked, observer = Asked(), BatchObserver()

    async def reached(confirm: Confirm | None, budget: int | None = None) -> None:
        caller = caller_of(studio, Unprepared(), observer, confirm)
        with pytest.raises(ReachedError):
            await run_batch(batch_options(studio, ROWS, budget=budget), caller)

    with studio.context(Bomb()) as context:
        pools = Pools(context.journal.engine)
        pools.set(Pool("acme", {"client": "acme"}, 40))
        with pytest.raises(NotConfirmedError):
            await reached(answering(False, asked))
        await reached(answering(False, asked), budget=4)
        await reached(answering(True, asked))
        assert observer.lines[-1].endswith("budget 7")
        pools.set(Pool("all", {}, 6))
        await reached(None)
    assert "At most 7 credits." in asked[0]
    assert [line for line in observer.lines if "At most 6 credits (pool all, 6 left)." in line]
    assert [line for line in observer.lines if "At most 4 credits (budget 4)." in line]
    assert len(asked) == 2
