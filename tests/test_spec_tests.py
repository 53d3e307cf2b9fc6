"""Test cases of specs, run on sandboxes of their own with the runner that needs no Prefect server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from rivya_flows.engine.loop import PlainRunner
from rivya_flows.errors import UsageError
from rivya_flows.spec_tests import CaseResult, find_cases, run_cases
from support.function_steps import install_paid, installing

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: stills
inputs:
  mode: {type: enum, values: [human, first], default: first}
  photo: {type: file, kind: image, required: false}
  words: {type: string, default: lamp}
budget: {credits: 30}
cache: spec
steps:
  stills:
    uses: generate
    foreach: [a, b]
    allow_failures: 1
    timeout: 15m
    with: {model: z-image, prompt: "${{ inputs.words }} ${{ item }}"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: ${{ inputs.mode }}
      none: {rounds: 1}
outputs:
  hero: ${{ steps.hero.asset }}
  stills: ${{ steps.stills.assets }}
"""
NOTIFY = """
version: 1
name: told
inputs:
  address: {type: secret, default: "env:HOOK"}
steps:
  picture: {uses: generate, with: {model: z-image, prompt: a lamp}}
finally:
  tell: {uses: notify, with: {url: "${{ inputs.address }}", secret: "env:HOOK_SECRET"}}
"""


MARKET = """
version: 1
name: market
inputs: {country: {type: string}, photo: {type: file, kind: image}}
steps:
  posters:
    uses: generate
    foreach: [wide, tall]
    with: {model: nano-banana, prompt: "${{ inputs.country }} ${{ item }}", references: ["${{ inputs.photo }}"]}
  hero: {uses: pick, with: {from: "${{ steps.posters.items }}", mode: human}}
outputs: {poster: "${{ steps.hero.asset }}"}
"""
MARKETS = """
version: 1
name: launch
steps:
  stills: {uses: generate, foreach: [oslo, bern], with: {model: z-image, prompt: "lamp, ${{ item }}"}}
  market:
    uses: include
    foreach: ${{ steps.stills.items }}
    allow_failures: 1
    with: {spec: market.yaml, inputs: {country: "${{ item.key }}", photo: "${{ item.asset }}"}}
outputs: {posters: "${{ steps.market.assets }}"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("RIVYA_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("RIVYA_API_KEY", "rvya_sk_of_the_user")
    (tmp_path / "specs").mkdir()
    return tmp_path / "specs"


def results(folder: Path, cases: str, spec: str = SPEC) -> list[CaseResult]:
    (folder / "stills.yaml").write_text(spec)
    path = folder / "stills.test.yaml"
    path.write_text(f"version: 1\ncases:\n{cases}")
    chosen, problems = find_cases([path])
    assert problems == []
    return asyncio.run(run_cases(chosen, PlainRunner()))


def lines(folder: Path, case: str, spec: str = SPEC) -> tuple[str, ...]:
    [result] = results(folder, f"  - name: one\n{case}", spec)
    return result.lines


TABLE = """
version: 1
name: stills
inputs:
  products:
    type: list
    of: map
    fields: {name: {type: string}, photo: {type: file, kind: image, required: false}}
    default: products.csv
budget: {credits: 30}
steps:
  stills:
    uses: generate
    foreach: ${{ inputs.products }}
    limit: 2
    with:
      model: nano-banana-2
      prompt: ${{ item.name }}
      references: ["${{ item.photo or none }}"]
outputs:
  stills: ${{ steps.stills.assets }}
"""


def test_a_case_may_give_rows_or_the_file_of_a_table_beside_the_cases(folder: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    (folder / "products.csv").write_text("name,photo\nLamp,red.png\nCup,\nDesk,\n")
    (folder / "one.json").write_text('[{"name": "Chair", "photo": "red.png"}]')
    cases = """
  - name: the table of the spec
    expect: {credits: 10, steps: {stills: {items: 2}}, outputs: {stills: {count: 2, kind: image}}}
  - name: another file
    inputs: {products: one.json}
    expect: {credits: 5, outputs: {stills: {count: 1}}}
  - name: rows
    inputs: {products: [{name: Sofa}]}
    expect: {credits: 5, outputs: {stills: {count: 1}}}
  - name: a row that does not fit
    inputs: {products: [{nam: Sofa}]}
    expect: {diagnostics: [wrong-input]}
"""
    found = results(folder, cases, TABLE)
    assert [(one.name, one.lines) for one in found if not one.passed] == []
    assert len(found) == 4


def test_a_case_answers_for_each_item_of_an_include_and_expects_how_its_steps_end(
    folder: Path,
) -> None:
    (folder / "market.yaml").write_text(MARKET)
    cases = """
  - name: each campaign asks
    answers: {market__oslo__hero: tall, market__bern__hero: wide}
    expect:
      credits: 14
      steps: {market: {items: 2}, market__oslo__posters: {items: 2}, market__bern__hero: completed}
      outputs: {posters: {count: 2, kind: image}}
  - name: one campaign may fail
    answers: {market__bern__hero: wide}
    faults: [{on: generation, model: nano-banana, do: fail, prompt: oslo}]
    expect: {credits: 8, outputs: {posters: {count: 1}}}
"""
    found = results(folder, cases, MARKETS)
    assert [one.lines for one in found] == [(), ()]


def test_a_case_rehearses_media_that_are_paid_and_refused(folder: Path) -> None:
    spec = """
version: 1
name: stills
budget: {credits: 9}
steps:
  still:
    uses: generate
    quality: {refuse: [blank], then: regenerate}
    with: {model: z-image, prompt: a lamp}
"""
    cases = """
  - name: one is refused
    faults: [{on: generation, do: broken, how: blank, times: 1}]
    expect: {credits: 2, steps: {still: completed}}
  - name: all are refused
    faults: [{on: generation, do: broken, how: blank}]
    expect: {status: failed, credits: 2, steps: {still: {failed: 1}}}
  - name: none is refused
    faults: [{on: generation, do: broken, how: shape}, {on: generation, do: broken, how: silent}]
    expect: {credits: 1, steps: {still: completed}}
"""
    assert [one.lines for one in results(folder, cases, spec)] == [(), (), ()]


def test_a_case_passes_if_all_comes_as_expected(folder: Path) -> None:
    [result] = results(
        folder,
        """
  - name: a person picks what the fault left
    inputs: {mode: human}
    budget: 10
    faults: [{on: generation, do: fail, prompt: lamp a}]
    answers: {hero: b}
    expect:
      credits: 1
      steps: {stills: {status: completed, items: 2, completed: 1, failed: 1}, hero: completed}
      outputs: {stills: {count: 1, kind: image}, hero: {count: 1}}
""",
    )
    assert result.lines == ()
    assert (result.passed, result.status, result.credits) == (True, "completed", 1)
    assert any("lamp" not in line and "stills[a] failed" in line for line in result.problems)


def test_each_difference_is_told_with_what_came(folder: Path) -> None:
    case = """
    expect:
      status: failed
      credits: {min: 3, max: 9}
      steps: {stills: {items: 3}, hero: skipped}
      outputs: {hero: {count: 2, kind: video}}
"""
    assert lines(folder, case) == (
        "status: expected failed, not completed",
        "credits: expected at least 3 and at most 9, not 2",
        "steps.stills.items: expected 3, not 2",
        "steps.hero.status: expected skipped, not completed",
        "outputs.hero.count: expected 2, not 1",
        "outputs.hero.kind: expected video, not image",
    )


TOLD = """
version: 1
name: stills
steps:
  idea:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: one shot, expect: {shot: string, tags: [string]}}
  still: {uses: generate, with: {model: z-image, prompt: "${{ steps.idea.json.shot }}"}}
outputs:
  idea: ${{ steps.idea.json }}
  shot: ${{ steps.idea.json.shot }}
  tags: ${{ steps.idea.json.tags }}
  price: "€ ${{ '%.2f' | format(49.9) }}"
  still: ${{ steps.still.asset }}
"""
ANSWERED = "    chat: [{when: one shot, json: {shot: a kettle, tags: [a, b]}}]\n"


def test_outputs_are_compared_as_a_whole_and_in_parts(folder: Path) -> None:
    held = "idea: {contains: {shot: a kettle}}, tags: {equals: [a, b], contains: [b]}, shot: {contains: kettle}"
    right = f"    expect: {{outputs: {{{held}, price: {{equals: € 49.90}}}}}}\n"
    assert lines(folder, ANSWERED + right, TOLD) == ()
    wrong = (
        "idea: {contains: {shot: x}}, tags: {equals: [a], contains: [b, c]}, price: {equals: null}"
    )
    assert lines(folder, f"{ANSWERED}    expect: {{outputs: {{{wrong}}}}}\n", TOLD) == (
        'outputs.idea.contains: expected {"shot":"x"}, not {"shot":"a kettle","tags":["a","b"]}',
        'outputs.tags.equals: expected ["a"], not ["a","b"]',
        """outputs.tags.contains: expected 'c', not ["a","b"]""",
        "outputs.price.equals: expected nothing, not '€ 49.90'",
    )


def test_the_folder_of_each_case_can_be_kept(folder: Path) -> None:
    (folder / "stills.yaml").write_text(TOLD)
    (folder / "stills.test.yaml").write_text("version: 1\ncases:\n  - name: one\n")
    chosen, _ = find_cases([folder])
    kept = folder / "kept"
    [result] = asyncio.run(run_cases(chosen, PlainRunner(), keep=kept))
    assert result.folder is not None
    assert Path(result.folder).parent == kept
    with Image.open(Path(result.folder) / "still.png") as image:
        assert image.format == "PNG"
    assert (Path(result.folder) / "contact-sheet.html").exists()


QUESTIONED = """
    inputs: {mode: human}
    answers: {hero: [{none: bluer}, a]}
    expect: {credits: 4}
"""


@pytest.mark.parametrize(
    ("case", "spec"),
    [
        (
            "    inputs: {mode: human}\n    expect: {steps: {hero: suspended}, status: suspended}\n",
            SPEC,
        ),
        (QUESTIONED, SPEC),
        ("    inputs: {mode: robot}\n    expect: {diagnostics: [wrong-input]}\n", SPEC),
        ("    budget: 1\n    expect: {diagnostics: [over_budget]}\n", SPEC),
        ("    expect: {diagnostics: [unknown-model]}\n", SPEC.replace("z-image", "z-imge")),
        ("    expect: {steps: {tell: completed}}\n", NOTIFY),
    ],
    ids=["question", "rounds", "input", "budget", "spec", "callback and secret"],
)
def test_questions_refusals_and_callbacks_are_as_a_run_has_them(
    folder: Path, case: str, spec: str
) -> None:
    assert lines(folder, case, spec) == ()


def test_an_answer_that_nobody_asks_for_or_takes_fails_the_case(folder: Path) -> None:
    [unasked] = lines(folder, "    answers: {hero: a}\n")
    assert unasked == "answers: expected a question 'hero', not the run did not ask it"
    case = "    inputs: {mode: human}\n    answers: {hero: c}\n    expect: {status: suspended}\n"
    [refused] = lines(folder, case)
    assert "there is no choice 'c'" in refused


def test_another_refusal_or_none_fails_the_case(folder: Path) -> None:
    expected = "    expect: {diagnostics: [wrong-input]}\n"
    assert lines(folder, expected) == ("diagnostics: expected wrong-input, not the run completed",)
    [result] = results(folder, "  - name: one\n    budget: 1\n")
    assert result.lines == ("status: expected completed, not over_budget",)
    assert "over the budget" in result.problems[0]


def test_cases_see_nothing_of_each_other_or_of_the_user(folder: Path) -> None:
    cases = "".join(f"  - {{name: case {n}, expect: {{credits: 2}}}}\n" for n in range(2))
    found = results(folder, cases)
    assert [one.lines for one in found] == [(), ()]
    assert not (folder.parent / "data").exists()
    assert {one.name for one in folder.iterdir()} == {"stills.yaml", "stills.test.yaml"}


def test_input_files_lie_beside_the_tests(folder: Path) -> None:
    Image.new("RGB", (64, 64)).save(folder / "lamp.png")
    assert lines(folder, "    inputs: {photo: lamp.png}\n    expect: {credits: 2}\n") == ()


def test_a_job_that_never_ends_takes_no_minutes(folder: Path) -> None:
    case = """
    faults: [{on: generation, do: stall, prompt: lamp a}]
    expect: {steps: {stills: {failed: 1}}}
"""
    assert lines(folder, case, SPEC.replace("15m", "30s")) == ()


def test_an_undecided_purchase_fails_every_case(folder: Path) -> None:
    case = """
    faults: [{on: "POST /api/v1/generations", do: drop_after_commit, prompt: lamp a}]
"""
    told = lines(folder, case)
    assert any(
        line.startswith("books: expected purchase 1 of stills[a] is decided") for line in told
    )


def test_functions_of_the_user_are_called_and_cost_nothing_in_the_sandbox(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = (
        "version: 1\nname: printed\ninputs: {book: {type: string}}\nsteps:\n  print:\n"
        "    uses: order_print\n    with: {motif: lamp, book: '${{ inputs.book }}'}\n"
        "outputs: {number: '${{ steps.print.number }}'}\n"
    )
    with installing(tmp_path, monkeypatch) as install:
        install_paid(install)
        case = f"    inputs: {{book: {tmp_path / 'book'}}}\n"
        case += "    expect: {credits: 0, outputs: {number: {count: 1}}}\n"
        assert lines(folder, case, spec) == ()
    assert (tmp_path / "book").read_text().endswith(" lamp\n")


def test_no_other_host_is_reached(folder: Path) -> None:
    address = "http://example.com/lamp.png"
    spec = SPEC.replace(
        'prompt: "${{ inputs.words }} ${{ item }}"',
        'prompt: x, references: ["${{ inputs.photo }}"]',
    ).replace("z-image", "nano-banana")
    case = f"    inputs: {{photo: {address}}}\n    expect: {{status: failed, credits: 0}}\n"
    [result] = results(folder, f"  - name: one\n{case}", spec)
    assert result.lines == ()
    assert any("a test reaches no network" in line for line in result.problems)


def test_the_command_repeats_the_case_by_hand(folder: Path) -> None:
    [result] = results(folder, "  - {name: one, budget: 4, inputs: {words: a lamp's light}}\n")
    command = """stills.yaml --sandbox -i 'words=a lamp'"'"'s light' --budget 4"""
    assert result.command.endswith(command)


def test_tests_are_named_by_spec_folder_or_file(folder: Path) -> None:
    results(folder, "  - name: one\n")
    tests = folder / "stills.test.yaml"
    for named in ([folder, folder / "stills.yaml", tests], [folder.parent]):
        [(tested, case)], problems = find_cases(named)
        assert (tested.path, case.name, problems) == (tests, "one", [])
    (folder / "other.yaml").write_text(SPEC)
    (folder / "empty").mkdir()
    for name in ("other.yaml", "missing", "empty"):
        with pytest.raises(UsageError) as caught:
            find_cases([folder / name])
        assert caught.value.hint


DECLARED = """
version: 1
name: stills
models: {words: gemini-2-5-flash-chat, still: z-image}
budget: {credits: 30}
defaults: {generate: {with: {model: still}}, image: {with: {aspect: "16:9"}}}
steps:
  script:
    uses: chat
    with:
      model: words
      message: {file: prompts/script.md}
      expect:
        mood: {type: enum, values: [festive, gloomy]}
        scenes: {type: list, of: map, fields: {picture: {type: text, max: 60}, note: {type: string, required: false}}, min: 4, max: 4}
  stills:
    uses: generate
    foreach: ${{ steps.script.json.scenes }}
    with: {prompt: {file: prompts/still.md}}
outputs:
  mood: ${{ steps.script.json.mood }}
  stills: ${{ steps.stills.assets }}
"""


def test_a_declared_answer_decides_the_pictures_of_a_run_within_its_bounds(folder: Path) -> None:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "script.md").write_text("Scenes for Aurora desk lamp: warm light, oak.\n")
    (folder / "prompts" / "still.md").write_text(
        "${{ item.picture }}, ${{ steps.script.json.mood }} ${{ item.note or '' }}\n"
    )
    expected = (
        "{status: completed, credits: {min: 4, max: 7}, outputs: {stills: {count: 4, kind: image}}}"
    )
    assert lines(folder, f"    expect: {expected}\n", DECLARED) == ()


def test_the_date_of_a_case_is_fixed_and_can_be_given(folder: Path) -> None:
    spec = SPEC.replace("foreach: [a, b]", "foreach: ['${{ run.date }}']")
    cases = "".join(
        f"""
  - name: of {day}
    {given}
    faults: [{{on: generation, do: fail, prompt: lamp {day}}}]
    expect: {{status: failed, steps: {{stills: {{failed: 1}}}}}}
"""
        for given, day in (("budget: 9", "2026-01-01"), ("date: 2026-11-08", "2026-11-08"))
    )
    found = results(folder, cases, spec.replace("allow_failures: 1", "allow_failures: 0"))
    assert [one.lines for one in found] == [(), ()]
    (folder / "stills.test.yaml").write_text(
        "version: 1\ncases:\n  - {name: one, date: 2026-13-08}\n"
    )
    [problem] = find_cases([folder / "stills.test.yaml"])[1]
    assert "not a date" in str(problem)
