"""What is said and asked before deployments of a real wallet are made."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.errors import AuthenticationError, NotConfirmedError, UsageError
from rivya_flows.money.live_guard import (
    DeployedSpending,
    Start,
    agree_to_spending,
    agree_to_uncapped,
)
from rivya_flows.settings import Settings, read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.pools import Pool, Pools
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from

WEEKLY = Start("next on Mon 2026-12-07 at 09:00 UTC", 1, 5)
OFTEN = Start("next on Mon 2026-11-30 at 04:00 UTC", 8_640, 267_840)
EVENT = Start("on each event campaign.brief.created")


def spending(*starts: Start, budget: int | None = 2, buys: bool = True) -> DeployedSpending:
    return DeployedSpending("lamp/d", {"client": "acme"}, buys, budget, starts)


@pytest.mark.parametrize(
    ("found", "pools", "line"),
    [
        (spending(OFTEN), (), "lamp/d starts by itself, next on Mon 2026-11-30 at 04:00 UTC: at most 2 credits a run, 17,280 credits a day, 535,680 credits a month"),
        (spending(EVENT), (), "lamp/d starts by itself, on each event campaign.brief.created: at most 2 credits a run, and no bound over time"),
        (spending(WEEKLY, budget=None), (), "lamp/d starts by itself, next on Mon 2026-12-07 at 09:00 UTC: no budget caps a run"),
        (spending(EVENT, budget=1), (Pool("acme", {}, 40, period="day"),), "lamp/d starts by itself, on each event campaign.brief.created: at most 1 credit a run, and no bound over time (pool acme: 40 credits a day)"),
        (spending(WEEKLY), None, "lamp/d starts by itself, next on Mon 2026-12-07 at 09:00 UTC"),
        (spending(WEEKLY, buys=False), (), "lamp/d starts by itself, next on Mon 2026-12-07 at 09:00 UTC"),
        (spending(budget=None), (), "lamp/d: no budget caps a run"),
        (spending(), (), None),
    ],
)  # fmt: skip
def test_each_start_is_named_with_the_most_that_it_buys(
    found: DeployedSpending, pools: tuple[Pool, ...] | None, line: str | None
) -> None:
    assert list(found.lines(pools)) == ([line] if line else [])


@pytest.fixture
def live(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a sandbox that counts as the real service."""
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("RIVYA_FLOWS_LIVE", "true")
    return read_settings()


class Person:
    """Somebody at a terminal."""

    def __init__(self, *, agrees: bool) -> None:
        self.agrees, self.told, self.asked = agrees, list[str](), list[str]()

    async def confirm(self, words: str) -> bool:
        self.asked.append(words)
        return self.agrees

    async def deploy(
        self, found: DeployedSpending, settings: Settings, *, dry: bool = False
    ) -> None:
        tell, confirm = self.told.append, self.confirm
        await agree_to_spending([found], settings, tell, confirm, rehearses=False, dry=dry)

    async def asked_of(self, found: DeployedSpending, settings: Settings) -> None:
        """Who refuses is asked, and nothing is deployed."""
        with pytest.raises(NotConfirmedError):
            await self.deploy(found, settings)


async def test_a_person_is_asked_once_and_again_when_it_gets_dearer(live: Settings) -> None:
    refuses, agrees = Person(agrees=False), Person(agrees=True)
    with pytest.raises(NotConfirmedError, match="not confirmed: lamp/d may buy without a cap"):
        await refuses.deploy(spending(WEEKLY), live)
    assert refuses.told[0].endswith("(wallet: 1,000 credits).")
    await agrees.deploy(spending(WEEKLY), live)
    assert agrees.asked == [
        "No pool of `rivya-flows budgets` caps what they buy without asking: at most 10 credits a month."
    ]
    for cheaper in (spending(WEEKLY), spending(WEEKLY, budget=1), spending()):
        await refuses.deploy(cheaper, live)
    more = spending(WEEKLY, budget=3), spending(WEEKLY, WEEKLY)
    for dearer in (*more, spending(EVENT), spending(budget=None)):
        await refuses.asked_of(dearer, live)
    await agrees.deploy(spending(EVENT, budget=None), live)
    assert agrees.asked[-1].endswith("without asking, and it has no bound.")
    await refuses.asked_of(spending(OFTEN, budget=1), live)  # of any price, but not so many
    await refuses.asked_of(spending(Start("on each event *"), budget=1), live)
    await refuses.deploy(spending(EVENT, budget=9_000), live)


async def test_nothing_real_is_deployed_beside_a_misspelled_setting(
    live: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_SANBOX", "true")
    agrees = Person(agrees=True)
    with pytest.raises(UsageError, match="RIVYA_FLOWS_SANBOX is no setting"):
        await agrees.deploy(spending(WEEKLY), live)
    await agrees.deploy(spending(WEEKLY), live, dry=True)
    await agree_to_spending([spending(WEEKLY)], live, agrees.told.append, None, rehearses=True)


async def test_from_whom_deployments_buy_is_said_once(live: Settings) -> None:
    told, agrees = list[str](), Person(agrees=True)
    found, names = [spending(WEEKLY)], True
    for _ in range(2):
        said = await agree_to_spending(
            found, live, told.append, agrees.confirm, rehearses=False, names_service=names
        )
        names = not said
    assert sum(line.startswith("Deployments buy from ") for line in told) == 1
    assert not await agree_to_spending(found, live, told.append, None, rehearses=True)


async def test_a_service_that_does_not_answer_is_a_warning(live: Settings) -> None:
    told = list[str]()
    silent = live.model_copy(update={"rivya_base_url": "http://127.0.0.1:1"})
    await agree_to_spending([spending()], silent, told.append, None, rehearses=False)
    assert told[0].startswith("warning: the wallet cannot be read now: GET /api/v1/credits")


async def test_nothing_is_deployed_with_a_key_that_the_service_refuses(
    live: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_API_KEY", "rvya_sk_wrong")
    with pytest.raises(AuthenticationError, match="api_key_invalid"):
        await Person(agrees=True).deploy(spending(WEEKLY), read_settings())


async def test_runs_of_any_price_that_come_more_often_are_asked_for(live: Settings) -> None:
    refuses, agrees = Person(agrees=False), Person(agrees=True)
    await agrees.deploy(spending(WEEKLY, budget=None), live)
    await refuses.deploy(spending(WEEKLY, budget=9), live)  # a cap is not dearer
    await refuses.asked_of(spending(OFTEN, budget=None), live)


async def test_a_pool_or_nothing_to_buy_needs_no_answer(live: Settings, tmp_path: Path) -> None:
    refuses = Person(agrees=False)
    await refuses.deploy(spending(OFTEN, buys=False), live)
    await refuses.deploy(spending(), live)
    await refuses.deploy(spending(OFTEN), live, dry=True)
    with closing(Journal(live.store_url)) as journal:
        pools = Pools(journal.engine)
        pools.set(Pool("other", {"client": "other"}, 40))
        await refuses.asked_of(spending(OFTEN), live)
        pools.set(Pool("acme", {"client": "acme"}, 40))
    await refuses.deploy(spending(OFTEN), live)
    assert refuses.told[-1].endswith(" (pool acme: 40 credits a month)")
    assert len(refuses.asked) == 1


async def test_what_a_pool_alone_caps_is_asked_for_before_the_pool_goes(live: Settings) -> None:
    refuses, agrees = Person(agrees=False), Person(agrees=True)
    pool, other = Pool("acme", {"client": "acme"}, 40), Pool("other", {"client": "other"}, 40)

    async def left(person: Person, *pools: Pool) -> None:
        with closing(Journal(live.store_url)) as journal:
            await agree_to_uncapped(journal.engine, pools, person.told.append, person.confirm)

    await left(refuses)
    with closing(Journal(live.store_url)) as journal:
        Pools(journal.engine).set(pool)
    await refuses.deploy(spending(WEEKLY), live)
    assert refuses.asked == []
    await left(refuses, Pool("all", {}, 900))
    with pytest.raises(
        NotConfirmedError, match="lamp/d may buy without a cap over time; the pool is as"
    ):
        await left(refuses, other)
    assert refuses.asked[-1].endswith("without asking: at most 10 credits a month.")
    await left(agrees, other)
    await left(refuses, other)  # a yes is one to an amount
    await refuses.deploy(spending(WEEKLY, WEEKLY), live)
    with pytest.raises(NotConfirmedError):
        await left(refuses)
    await refuses.deploy(spending(), live)  # its schedules are off
    await left(refuses)


async def test_a_rehearsal_names_the_starts_alone(tmp_path: Path) -> None:
    told: list[str] = []
    settings = Settings(rivya_flows_data=tmp_path / "data")
    await agree_to_spending([spending(WEEKLY)], settings, told.append, None, rehearses=True)
    assert told == ["lamp/d starts by itself, next on Mon 2026-12-07 at 09:00 UTC"]
    assert not (tmp_path / "data").exists()
