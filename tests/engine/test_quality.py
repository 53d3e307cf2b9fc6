"""A broken medium costs its price once, nothing is bought with it, and it is counted as lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.engine import purchases
from rivya_flows.engine.cache import all_results, forget_result, keep_results
from rivya_flows.engine.run import RunOptions
from rivya_flows.language.quality import NOT_MEASURED
from rivya_flows.media.bounds import LIMITS
from rivya_flows.money.spending import spending
from rivya_flows.queue.events import AnsweredBy, MediaAccepted
from rivya_flows.runs.execution import append_events
from rivya_flows.store.charges import charges
from support.composed_media import tone
from support.engine_runs import Bomb, Studio, codes

FILM = """
version: 1
name: film
cache: spec
steps:
  film:
    uses: generate
    QUALITY
    with: {model: veo3-1-lite, prompt: a lamp, aspect: "9:16"}
  again:
    uses: generate
    with: {model: grok-imagine-video, prompt: it turns}
    needs: [film]
outputs:
  film: ${{ steps.film.asset }}
"""


def film(quality: str) -> str:
    return FILM.replace("QUALITY", f"quality: {quality}" if quality else "title: A film")


def broken(studio: Studio, how: str, times: int = 1) -> None:
    studio.order(f"on: generation, do: broken, how: {how}, model: veo3-1-lite, times: {times}")


def lost(studio: Studio) -> int:
    """What `spend` counts as lost."""
    with studio.context(Bomb()) as context:
        found = charges(context.journal.engine, since=None, until=None)
        return spending(found, ["model"], service="sandbox", labels={}).total.lost


@pytest.mark.parametrize("how", ["black", "blank", "shape"])
def test_a_broken_film_costs_its_price_and_nothing_is_bought_with_it(
    studio: Studio, how: str
) -> None:
    broken(studio, how)
    receipt = studio.started(film(f"{{refuse: [{how}]}}"))
    price = receipt["ledger"][0]["final"]
    assert codes(receipt)[0] == "quality_failed"
    assert [(row["status"], row["final"]) for row in receipt["ledger"]] == [("lost", price)]
    assert (receipt["credits"]["spent"], receipt["credits"]["lost"]) == (price, price)
    assert lost(studio) == price
    [file] = receipt["steps"][0]["items"][0]["files"]
    assert (file["mime_type"], len(file["sha256"])) == ("video/mp4", 64)


def test_a_refused_film_is_bought_once_more_under_the_same_cap(studio: Studio) -> None:
    broken(studio, "black", times=2)
    receipt = studio.started(film("{then: regenerate}"))
    assert [row["status"] for row in receipt["ledger"]] == ["lost", "lost"]
    assert receipt["status"] == "failed"
    studio.order()
    receipt = studio.executed(wish=RunOptions(regenerate=("film",)))
    assert [row["status"] for row in receipt["ledger"][:3]] == ["lost", "lost", "succeeded"]
    assert (receipt["status"], receipt["credits"]["lost"]) == ("completed", lost(studio))
    assert len(receipt["steps"][0]["items"][0]["files"]) == 2


def test_without_quality_a_fault_is_a_warning(studio: Studio) -> None:
    broken(studio, "black")
    receipt = studio.started(film(""))
    assert (receipt["status"], receipt["credits"]["lost"]) == ("completed", 0)
    assert receipt["steps"][0]["items"][0]["faults"][0].startswith("black for 100% of its")


def test_refused_media_that_a_person_accepts_are_used_and_not_lost(studio: Studio) -> None:
    broken(studio, "black")
    receipt = studio.started(film("{refuse: [black]}"))
    price = receipt["credits"]["lost"]
    by = AnsweredBy(channel="command", name="Priya")
    accepted = MediaAccepted(step="film", key="", n=1, final_credits=price, by=by)
    with studio.context(Bomb()) as context:
        append_events(context.journal, "run-1", [accepted])
    receipt = studio.executed()
    assert (receipt["status"], receipt["credits"]["lost"], lost(studio)) == ("completed", 0, 0)
    assert [row["status"] for row in receipt["ledger"]] == ["succeeded", "succeeded"]


def test_a_result_of_an_earlier_run_is_reused_only_where_its_step_does_not_refuse_it(
    studio: Studio,
) -> None:
    broken(studio, "black")
    studio.started(film("{refuse: [black]}"))
    receipt = studio.started(film("{then: warn}"), "run-2")
    assert receipt["steps"][0]["status"] == "cached"
    receipt = studio.started(film("{refuse: [black]}"), "run-3")
    assert [row["status"] for row in receipt["ledger"]] == ["succeeded"]
    assert (receipt["steps"][0]["status"], receipt["status"]) == ("completed", "completed")
    why = receipt["steps"][0]["items"][0]["why"]
    assert why["what"] == "quality"
    assert why["text"].startswith("`quality` refuses the media of run-2 (black for 100% of its")


def test_what_could_not_be_measured_is_used_with_a_warning(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "measure", replace(LIMITS["measure"], seconds=1e-6))
    receipt = studio.started(film("{refuse: [black]}"))
    assert (receipt["status"], receipt["credits"]["lost"]) == ("completed", 0)
    assert receipt["steps"][0]["items"][0]["faults"] == [NOT_MEASURED]


def test_a_sound_where_a_film_was_asked_for_is_refused(studio: Studio, tmp_path: Path) -> None:
    studio.order('on: "GET /media/results/*", do: status, status: 404')
    studio.started(film("{then: fail}"))
    studio.order()
    [result] = studio.results()
    result.write_bytes(tone(tmp_path / "a.wav").read_bytes())
    receipt = studio.executed()
    assert codes(receipt)[0] == "quality_failed"
    assert "is a sound, and a film was asked for" in receipt["steps"][0]["items"][0]["reason"]


PAIR = """
version: 1
name: pair
cache: spec
steps:
  pair:
    uses: generate
    quality: QUALITY
    with: {model: seedream-4-0, prompt: a lamp, params: {max_images: 2}}
"""


def test_of_a_reused_job_the_good_media_are_used(studio: Studio) -> None:
    studio.started(PAIR.replace("QUALITY", "{then: warn}"))
    with studio.context(Bomb()) as context:
        [kept] = all_results(context.journal.engine)
        measures: Any = kept.outputs["measures"]
        blank = {**kept.outputs, "measures": [{**measures[0], "blank": 1.0}, measures[1]]}
        forget_result(context.journal.engine, kept.cache_key)
        keep_results(context.journal.engine, [replace(kept, outputs=blank)])
    receipt = studio.started(PAIR.replace("QUALITY", "{refuse: [blank]}"), "run-2")
    [item] = receipt["steps"][0]["items"]
    both: Any = kept.outputs["assets"]
    assert (item["status"], receipt["credits"]["spent"]) == ("cached", 0)
    assert [one["sha256"] for one in item["assets"]] == [both[1]["sha256"]]
    assert [one["sha256"] for one in item["files"]] == [both[0]["sha256"]]


def test_a_reason_that_cannot_be_found_stops_no_purchase(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object) -> None:
        raise OverflowError("what an old journal has")

    studio.started(film(""))
    monkeypatch.setattr(purchases, "why_bought_again", stumble)
    receipt = studio.started(film("").replace("cache: spec", "cache: off"), "run-2")
    assert receipt["status"] == "completed"


def test_refused_media_take_the_place_of_no_result_that_another_step_may_take(
    studio: Studio,
) -> None:
    studio.started(film("{then: warn}"))
    broken(studio, "black")
    strict = film("{refuse: [black, frozen], limits: {frozen: 0.001%}}")
    assert codes(studio.started(strict, "run-2"))[0] == "quality_failed"
    receipt = studio.started(film("{refuse: [black]}"), "run-3")
    assert (receipt["steps"][0]["status"], receipt["credits"]["spent"]) == ("cached", 0)
