"""What runs spent, summed up and drawn."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from rivya_client.printable import spreadsheet_text
from rivya_flows.money.spending import SpendReport, Sum, chart, spending
from rivya_flows.store.charges import Charge

REAL = "https://rivya.ai"


def charge(credits: int, **facts: Any) -> Charge:
    usual: dict[str, Any] = {
        "run_id": "run-1",
        "run_name": "casting",
        "labels": {},
        "service": REAL,
        "step": "stills",
        "model": "z-image",
        "at": datetime(2026, 11, 29, 23, 59, tzinfo=UTC).timestamp(),
        "settled": True,
        "lost": False,
    }
    return Charge(**usual | facts, credits=credits)


def summed(*charges: Charge, by: str = "spec", service: str = REAL, **labels: str) -> SpendReport:
    return spending(charges, by.split(","), service=service, labels=labels)


def rows(found: SpendReport) -> list[tuple[tuple[str, ...], int]]:
    return [(group, one.credits) for group, one in found.rows.items()]


def test_groups_that_spent_most_come_first() -> None:
    one, two = charge(2, run_name="a"), charge(5, run_name="b")
    assert rows(summed(one, two, one)) == [(("b",), 5), (("a",), 4)]


def test_several_names_make_several_columns_and_a_run_without_a_label_counts_under_a_dash() -> None:
    acme = charge(3, labels={"client": "acme"})
    found = summed(acme, charge(1, model=None), by="client,model")
    assert rows(found) == [(("acme", "z-image"), 3), (("-", "-"), 1)]


def test_periods_are_those_of_the_calendar_in_utc_and_in_order() -> None:
    december = charge(9, at=datetime(2026, 12, 1, tzinfo=UTC).timestamp())
    periods = {
        "day": ("2026-11-29", "2026-12-01"),
        "week": ("2026-W48", "2026-W49"),
        "month": ("2026-11", "2026-12"),
    }
    for by, (first, second) in periods.items():
        assert rows(summed(december, charge(1), by=by)) == [((first,), 1), ((second,), 9)]


def test_credits_of_other_services_are_told_apart_and_not_added() -> None:
    pretend = [charge(7, service="sandbox:1"), charge(8, service="sandbox:2")]
    found = summed(charge(1), *pretend)
    assert (found.total.credits, found.elsewhere["sandbox"].credits) == (1, 15)
    found = summed(charge(1), *pretend, service="sandbox", by="service")
    assert rows(found) == [(("sandbox:2",), 8), (("sandbox:1",), 7)]
    assert found.elsewhere[REAL].credits == 1


def test_purchases_that_are_not_settled_count_and_are_told() -> None:
    found = summed(charge(2), charge(3, settled=False), charge(0))
    assert found.total == Sum(credits=5, held=3, purchases=3, open=1)


def test_a_label_selects_runs() -> None:
    acme = charge(3, labels={"client": "acme", "team": "x"})
    assert summed(acme, charge(1), client="acme").total.credits == 3


@given(
    st.lists(st.text(st.sampled_from(" ab,;\t\r\n\"'=+-@＝1|")), min_size=1, max_size=4),
    st.sampled_from(",;\t"),
)
def test_no_cell_is_a_formula_whatever_separates_cells(texts: list[str], separator: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerow(["begin", *map(spreadsheet_text, texts)])
    lines = list(csv.reader(io.StringIO(written.getvalue(), newline=""), delimiter=separator))
    cells = [cell.lstrip() for line in lines for cell in line]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@＝"))]


def test_a_formula_behind_the_separator_of_another_country_is_escaped() -> None:
    assert spreadsheet_text("nice;=1+1") == "nice;'=1+1"
    assert spreadsheet_text("a\n@b\tc\r-1") == "a\n'@b\tc\r'-1"
    assert spreadsheet_text('a;"=1+1"') == 'a;"\'=1+1"'
    for blank in (" ", "\xa0", "\ufeff", "\u200b", "\x0b", "\x00 "):
        assert spreadsheet_text(f"{blank}=1+1; =1") == f"{blank}'=1+1; '=1"
    assert spreadsheet_text("1-2; a=b, well-known") == "1-2; a=b, well-known"


def test_csv_has_no_formula_and_no_broken_line() -> None:
    hostile = charge(1, labels={"client": '=HYPERLINK("x")'}, run_name="a\nb", lost=True)
    assert summed(hostile, charge(2), by="client,spec").as_csv().splitlines() == [
        "client,spec,credits,lost,held,purchases,open",
        ",casting,2,0,0,1,0",
        '"\'=HYPERLINK(""x"")",a\\nb,1,1,0,1,0',
    ]


_SVG = "{http://www.w3.org/2000/svg}"


def drawn(days: dict[tuple[str, ...], int]) -> tuple[list[str], list[str]]:
    """The names of the bars, from below, and all texts."""
    root = ElementTree.fromstring(chart(days, "Credits"))
    bars = [one.findtext(f"{_SVG}title") or "" for one in root.iter(f"{_SVG}rect")]
    return [one for one in bars if one], [one.text or "" for one in root.iter(f"{_SVG}text")]


def test_a_bar_is_stacked_with_what_spent_most_at_the_bottom() -> None:
    bars, texts = drawn(
        {("2026-11-01", "a"): 2, ("2026-11-01", "b"): 5, ("2026-11-03", "b"): 1_200}
    )
    assert bars == ["2026-11-01 b: 5", "2026-11-01 a: 2", "2026-11-03 b: 1,200"]
    assert {"11-01", "11-02", "11-03", "1,500", "b"} <= set(texts)
    assert texts[0] == "Credits, 2026-11-01 to 2026-11-03 by day, UTC"


@pytest.mark.parametrize(
    ("days", "bar"), [(62, "2026-11-04"), (63, "2026-11-02"), (400, "2026-11-01")]
)
def test_the_longer_the_time_the_longer_the_periods(days: int, bar: str) -> None:
    first = date(2026, 11, 4)
    last = first + timedelta(days=days - 1)
    bars, _ = drawn({(first.isoformat(), "a"): 1, (last.isoformat(), "a"): 1})
    assert bars[0] == f"{bar} a: 1"


def test_names_beyond_the_colours_become_one_and_cannot_be_markup() -> None:
    names = [f"<b>&{n}\x1b" for n in range(12)]
    bars, texts = drawn({("2026-11-01", name): 100 - n for n, name in enumerate(names)})
    assert len(bars) == 8
    assert r"<b>&0\x1b" in texts
    assert bars[-1] == f"2026-11-01 5 others: {sum(100 - n for n in range(7, 12))}"
