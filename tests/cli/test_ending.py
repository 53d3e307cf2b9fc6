"""What a person reads at the end of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_flows.cli.terminal import answer_commands, end, with_spec_here
from rivya_flows.questions.question import Question
from rivya_flows.queue.events import PurchaseIntended, PurchaseUnanswered, Stamped
from rivya_flows.receipt.continuing import resume_options
from rivya_flows.receipt.report import RunReport, write_report
from rivya_flows.receipt.summary import sentence
from rivya_flows.store.assets import AssetStore
from support.naive_service import NOON, NaiveService, Rehearsal, frozen
from support.receipts import parsed

SPEC = """
version: 1
name: texts
inputs:
  words: {type: list, of: string}
steps:
  talk:
    uses: chat
    foreach: ${{ inputs.words }}
    with: {model: gemini-2-5-flash-chat, message: "${{ item }}"}
outputs:
  lines: ${{ inputs.words }}
"""


def ended(rehearsal: Rehearsal, folder: Path) -> RunReport:
    """The report of a rehearsal."""
    entries = [Stamped(n, NOON.timestamp() + n, one) for n, one in enumerate(rehearsal.journal, 1)]
    store = AssetStore((folder / "assets").as_uri(), folder / "copies")
    return write_report(entries, folder / "run", store)


@pytest.mark.parametrize(("count", "last"), [(12, "word 11"), (13, "and 2 more")])
def test_of_very_many_outputs_the_first_are_listed_and_the_rest_counted(
    count: int, last: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsal = Rehearsal(frozen(SPEC, words=[f"word {n}" for n in range(count)]), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    report = ended(rehearsal, tmp_path)
    assert end(report, as_json=False, open_sheet=False) == 0
    lines = [
        line[16:]
        for line in capsys.readouterr().out.splitlines()
        if line[2:16].strip() in ("", "lines")
    ]
    listed = [line for line in lines if line]
    assert (listed[0], listed[-1], len(listed)) == ("word 0", last, 12)


def test_after_a_wrong_output_the_spec_is_mended_and_not_the_run_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = SPEC.replace(
        "lines: ${{ inputs.words }}", "lines: ${{ steps.talk.by[steps.talk.items[0].text].text }}"
    )
    rehearsal = Rehearsal(frozen(wrong, words=["one"]), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    report = ended(rehearsal, tmp_path)
    assert end(report, as_json=False, open_sheet=False) == 1
    told = capsys.readouterr()
    assert "output lines failed: steps.talk.by has no " in told.out
    assert f"rivya-flows fork {report.run_id} --spec spec.yaml" in told.err
    assert "resume with" not in told.err
    assert "output lines &mdash; steps.talk.by has no" in report.sheet_path.read_text()


def test_a_purchase_without_an_answer_may_be_paid_and_does_not_count_as_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsal = Rehearsal(frozen(SPEC, words=["one"]), NaiveService())
    rehearsal.take_up()
    while not isinstance(rehearsal.journal[-1], PurchaseIntended):
        rehearsal.advance(0)
    [(step, item)] = rehearsal.state.each()
    rehearsal.feed(PurchaseUnanswered(step=step, key=item.key, n=1, reason="no answer"))
    report = ended(rehearsal, tmp_path)
    end(report, as_json=False, open_sheet=False)
    told = capsys.readouterr().err
    assert "still running" not in told
    assert (
        "may be paid: talk[one] (1 credit, unanswered); resume asks the service, and buys "
        "nothing twice" in told
    )


def test_each_choice_has_a_command_that_answers_and_is_quoted_for_the_shell() -> None:
    def answers(key: str, *choices: str) -> list[str]:
        lines = answer_commands("run-1", [Question("hero", key, "?", choices)])
        return [line.removeprefix("rivya-flows resume run-1 --answer ") for line in lines]

    assert answers("", "studio", "neon") == ["hero=studio", "hero=neon"]
    assert answers("a b", "it's") == ["""'hero[a b]=it'"'"'s'"""]
    many = answers("", *(f"lamp, {number}" for number in range(13)))
    assert many == ["'hero=lamp, 0'  # or another of the 13"]


def test_many_failed_jobs_of_a_step_are_bought_again_with_one_option() -> None:
    def options(status: str, count: int, code: str = "job_failed") -> str:
        items = [{"key": f"s {number}", "code": code} for number in range(count)]
        steps = [{"id": "stills", "items": items}]
        return resume_options(parsed({"status": status, "steps": steps}))

    assert options("failed", 1) == " --regenerate 'stills[s 0]'"
    assert options("failed", 4) == " --regenerate stills"
    assert options("failed", 1, "unexpected_answer") == " --regenerate 'stills[s 0]'"
    assert options("cancelled", 1) == options("cancelled", 4) == ""


def test_another_budget_is_no_advice_about_a_pool() -> None:
    def refused(*pools: str | None) -> dict[str, Any]:
        items = [{"key": "", "code": "over_budget", "pool": pool} for pool in pools]
        return {"status": "failed", "steps": [{"id": "stills", "items": items}]}

    assert resume_options(parsed(refused("acme"))) == ""
    assert resume_options(parsed(refused("acme", None))) == " --budget N"
    priced = refused(None) | {"credits": {"enough": 41}}
    assert resume_options(parsed(priced)) == " --budget 41"


def ended_in(status: str, **steps: list[str]) -> dict[str, Any]:
    """A receipt with a status for each item of each step."""
    return {
        "status": status,
        "credits": {"spent": 4, "saved": 0},
        "steps": [
            {"id": step, "status": items[0], "items": [{"status": one} for one in items]}
            for step, items in steps.items()
        ],
    }


def test_the_sentence_of_a_run_says_what_failed_and_counts_what_was_allowed_to() -> None:
    def words(status: str, **steps: list[str]) -> str:
        return sentence(parsed(ended_in(status, **steps)))

    stills, one = ["completed"] * 4, ["completed", "failed"]
    told = words("failed", stills=stills, film=["failed"], spot=["skipped"])
    assert told == "film; done: 4 of 4 stills; 4 credits"
    many = words("failed", **{step: ["failed", "completed"] for step in "abcde"})
    assert many.startswith("a, b, c and 2 more; done: ")
    assert words("failed", stills=one, film=["failed"]) == "film; done: 1 of 2 stills; 4 credits"
    assert words("completed", stills=one) == "1 of 2 stills; 4 credits"


def test_the_path_of_a_spec_is_that_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shop" / "runs" / "run-1"
    receipt = parsed({"spec": {"file": "specs/film.yaml"}})
    (tmp_path / "shop" / "specs").mkdir(parents=True)
    (tmp_path / "shop" / "specs" / "film.yaml").touch()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    found = with_spec_here(receipt, folder).spec.file
    assert found == "../shop/specs/film.yaml"
    assert with_spec_here(receipt, None) is receipt
