"""Specs in Python: built from the same models, written down, and the same plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.inputs import resolve_inputs
from rivya_flows.language.workflow import (
    Budget,
    Concurrency,
    Deploy,
    Fallback,
    Included,
    Input,
    Retry,
    Schedule,
    Step,
    Workflow,
)
from rivya_flows.plans.expand import expand
from rivya_flows.spec.dump import dump
from rivya_flows.spec.includes import included_texts
from rivya_flows.spec.load import load
from rivya_flows.steps.chat import ChatWith
from rivya_flows.steps.cut import ComposeWith, LayoutWith
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.include import IncludeWith
from rivya_flows.steps.judge import JudgeWith
from rivya_flows.steps.notify import NotifyWith
from rivya_flows.steps.pick import PickWith
from rivya_flows.steps.registry import BUILT_IN
from support.naive_service import NaiveService, Rehearsal, frozen

TEXT = """
version: 1
name: two-looks
inputs:
  product: {type: string, default: Aurora desk lamp}
budget: {credits: 20}
steps:
  script:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: A shot of ${{ inputs.product }}
      expect: {visual: string}
  stills:
    uses: generate
    matrix: {style: [studio, "no", "9:16", "0o17"]}
    allow_failures: 1
    timeout: 15m
    retry: {attempts: 3}
    with:
      model: z-image
      prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"
      params: {aspect_ratio: "9:16"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}"}
finally:
  tell:
    uses: notify
    with: {url: https://shop.example/hook, body: {film: "${{ steps.hero.key | default('') }}"}}
outputs:
  picture: ${{ steps.hero.asset }}
"""


def in_python() -> Workflow:
    return Workflow(
        version=1,
        name="two-looks",
        inputs={"product": Input(type="string", default="Aurora desk lamp")},
        budget=Budget(credits=20),
        steps={
            "script": Step(
                id="script",
                uses="chat",
                with_=ChatWith(
                    model="gemini-2-5-flash-chat",
                    message="A shot of ${{ inputs.product }}",
                    expect={"visual": "string"},
                ),
            ),
            "stills": Step(
                id="stills",
                uses="generate",
                matrix={"style": ["studio", "no", "9:16", "0o17"]},
                allow_failures=1,
                timeout=900,
                retry=Retry(attempts=3),
                with_=GenerateWith(
                    model="z-image",
                    prompt="${{ steps.script.json.visual }}, ${{ matrix.style }}",
                    params={"aspect_ratio": "9:16"},
                ),
            ),
            "hero": Step(id="hero", uses="pick", with_=PickWith(from_="${{ steps.stills.items }}")),
        },
        finally_={
            "tell": Step(
                id="tell",
                uses="notify",
                with_=NotifyWith(
                    url="https://shop.example/hook",
                    body={"film": "${{ steps.hero.key | default('') }}"},
                ),
            )
        },
        outputs={"picture": "${{ steps.hero.asset }}"},
    )


def loaded(workflow: Workflow) -> Workflow:
    return load(
        dump(workflow), file="a.yaml", catalogue=shipped(), includes=included_texts(workflow)
    )


def test_a_workflow_in_python_is_the_one_in_yaml() -> None:
    written, built = load(TEXT, file="a.yaml", catalogue=shipped()), in_python()
    assert built == written
    plans = [
        expand(one, resolve_inputs(one, {}, folder=None), shipped()) for one in (written, built)
    ]
    assert plans[0] == plans[1]
    assert plans[1].order == ("script", "stills", "hero", "tell")


def test_a_workflow_in_python_runs_from_its_text() -> None:
    run = Rehearsal(frozen(dump(in_python())), NaiveService())
    run.take_up()
    run.run()
    assert run.ended == ["completed"]


def test_the_example_of_the_guide_is_a_spec() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "reference" / "spec.md").read_text("utf-8")
    section = guide[guide.index("## A spec in Python") :]
    code = section[section.index("```python\n") + 10 : section.index("\n```\n")]
    names: dict[str, Any] = {}
    exec(code, names)
    workflow = load(names["text"], file="a.yaml", catalogue=shipped())
    assert list(workflow.steps) == ["morning", "evening"]


def test_an_included_workflow_is_written_beside_it() -> None:
    inner = in_python().model_copy(update={"finally_": {}})
    outer = Workflow(
        version=1,
        name="outer",
        steps={"looks": Step(id="looks", uses="include", with_=IncludeWith(spec="looks.yaml"))},
        outputs={"picture": "${{ steps.looks.outputs.picture }}"},
        includes={"looks.yaml": Included(path="looks.yaml", text=dump(inner), workflow=inner)},
    )
    assert loaded(outer) == outer


def test_a_quoted_key_keeps_its_odd_spaces() -> None:
    told = NotifyWith(url="https://a.example/b", body={"\xa0": 1, "a\u2003": 2})
    step = Step(id="told", uses="notify", with_=told)
    workflow = Workflow(version=1, name="a", steps={"told": step})
    assert loaded(workflow) == workflow


def test_a_step_under_another_key_is_refused() -> None:
    still = Step(id="still", uses="generate", with_=GenerateWith(model="z-image", prompt="x"))
    with pytest.raises(ValidationError, match="the step 'still' is under the key 'other'"):
        Workflow(version=1, name="a", steps={"other": still})


# What YAML can carry, without what our reader takes for a mistake: `${{`, `{{ inputs.` and `<<`.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="{<")
TEXTS = st.text(CHARACTERS, max_size=12) | st.sampled_from(
    ["no", "9:16", "0o17", "0x1F", "1e5", "1_000", "null", "~", "", " a ", "- a", "a: b", "a #b",
     "true", ".inf", "2026-11-25", "=", "१२", "'", '"', "\\", "a\nb", "a\n", "\t", "[", "99999999999999999999999"]
)  # fmt: skip
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
LOOPS: st.SearchStrategy[dict[str, Any]] = st.sampled_from([
    {},
    {"matrix": {"style": ["a", "no", 1]}, "allow_failures": 1},
    {"foreach": [1, {"key": "x"}], "as_": "shot", "max_items": 5},
    {"zip_": {"a": [1, 2], "b": ["x", None]}, "key": "${{ zip.a }}"},
])  # fmt: skip
JUDGE = JudgeWith(model="gpt-5-2-chat", criteria=("whole", "${{ 1 }} lamp"), least=2.5)
CHOICES: st.SearchStrategy[dict[str, Any]] = st.sampled_from([
    {},
    {"mode": "best", "by": "${{ item.key | length }}", "order": "min", "count": 2},
    {"mode": "judge", "judge": JUDGE, "on_none": "fail"},
    {"mode": "human", "judge": JUDGE, "timeout": 90, "on_timeout": "judge", "sign": True},
    {"mode": "${{ 'first' }}", "by": "${{ 1 }}", "judge": JUDGE, "question": "no"},
])  # fmt: skip
FALLBACKS = st.sampled_from([
    (),
    (Fallback(prompt="no"), Fallback(model="seedream-5-lite", params={}, brand=False)),
])  # fmt: skip
SECONDS = st.none() | st.floats(0.5, 1000)


@st.composite
def steps(draw: st.DrawFn, step_id: str, earlier: list[str]) -> Step:
    """A step that check accepts, with any texts and numbers in it."""
    lines = TEXTS.map(lambda text: f"x{text}")
    kinds = ["generate", "chat", "pick", "compose", "clips", "layout", "notify"]
    kind = draw(st.sampled_from(kinds))
    arguments: Any
    match kind:
        case "generate":
            params = draw(st.sampled_from([{}, {"aspect_ratio": "9:16"}]))
            arguments = GenerateWith(model="z-image", prompt=draw(lines), params=params)
        case "chat":
            expect = draw(st.sampled_from([None, {"a": "string", "b": ["integer"], "c": [{"d": "boolean"}]}]))  # fmt: skip
            arguments = ChatWith(model="gemini-2-5-flash-chat", message=draw(lines), expect=expect)
        case "pick":
            picture = {"asset": {"kind": "image", "url": "https://a.example/b.png"}}
            arguments = PickWith(from_=[picture, {**picture, "key": draw(lines)}], **draw(CHOICES))
        case "compose":
            fit = draw(st.sampled_from(["hold", "loop", "cut"]))
            loudness = draw(st.floats(-40, -5))
            images = ["https://a.example/b.png"]
            arguments = ComposeWith.model_validate(
                {"images": images, "fit": fit, "loudness": loudness}
            )
        case "clips":
            clip = {"media": "https://a.example/c.mp4", "seconds": draw(st.floats(1, 9))}
            clips = draw(st.lists(st.sampled_from([clip, "${{ {'media': 'x'} }}"]), min_size=1))
            overlays = [{"text": "no", "start": 0.5}, {"text": "${{ 1 }}", "position": "top"}]
            extras = draw(st.sampled_from([None, ["gif"], "${{ ['gif'] }}"]))
            arguments = ComposeWith.model_validate(
                {"clips": clips[:3], "overlays": overlays, "extras": extras}
            )
        case "layout":
            formats = draw(st.sampled_from([None, ["1:1", "9:16"], ["${{ '1:1' }}"]]))
            arguments = LayoutWith.model_validate(
                {"image": "https://a.example/b.png", "formats": formats}
            )
        case _:
            arguments = NotifyWith(url="https://a.example/b", body=draw(JSON))
    some = {
        "regenerate": draw(st.integers(0, 3)),
        "fallback": draw(FALLBACKS) if kind == "generate" else (),
        "timeout": draw(SECONDS),
        "retry": Retry(attempts=draw(st.integers(1, 20)), patience=draw(SECONDS)),
        "max_parallel": draw(st.none() | st.integers(1, 9)),
        "cache": draw(st.sampled_from([None, "off", "spec"])),
    }
    return Step(
        id=step_id,
        uses="compose" if kind == "clips" else kind,
        with_=arguments,
        title=draw(st.none() | TEXTS),
        needs=tuple(draw(st.lists(st.sampled_from(earlier), unique=True))) if earlier else (),
        if_=draw(st.sampled_from([None, True, False, "${{ 1 < 2 }}"])),
        **{
            key: value
            for key, value in some.items()
            if key not in BUILT_IN["compose" if kind == "clips" else kind].idle
        },
        **draw(LOOPS),
    )


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    made: dict[str, dict[str, Step]] = {"steps": {}, "on_failure": {}, "finally_": {}}
    names: list[str] = []
    for part, held in made.items():
        for number in range(draw(st.integers(part == "steps", 2))):
            name = f"{part.strip('_')}{number}"
            held[name] = draw(steps(name, names))
            names.append(name)
    title = draw(st.none() | TEXTS)
    return Workflow(
        version=1,
        name=draw(st.sampled_from(["a", "no", "null", "on-time"])),
        title=title,
        description=title,
        inputs={
            "word": Input(type="text", default=draw(TEXTS), description=title),
            "on": Input(type="number", default=draw(st.none() | NUMBERS), required=False),
            "pick": Input(type="enum", values=("no", 1, True, "1.0"), default="no"),
        },
        budget=draw(st.none() | st.integers(0, 99).map(lambda most: Budget(credits=most))),
        concurrency=draw(st.sampled_from([None, Concurrency(group="no", limit=2)])),
        cache=draw(st.sampled_from(["off", "run", "spec"])),
        outputs=draw(st.sampled_from([{}, {"a": f"${{{{ steps.{names[0]}.status }}}}", "b": [1]}])),
        deploy=draw(
            st.sampled_from([
                (),
                (Deploy(name="1", tags=("no",), schedules=(Schedule(cron="0 9 * * 1"),)),),
                (Deploy(name="b c", schedules=(Schedule(interval=60, active=False),)),),
            ])
        ),
        **made,
    )  # fmt: skip


@given(workflows())
def test_loading_what_was_dumped_gives_an_equal_workflow(workflow: Workflow) -> None:
    assert loaded(workflow) == workflow
