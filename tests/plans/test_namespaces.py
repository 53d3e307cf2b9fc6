"""Included specs: how they are checked, inlined, run and resumed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.assets import Asset
from rivya_flows.plans.expand import expand
from rivya_flows.queue.events import RunFrozen, dump, parse
from rivya_flows.queue.queue import replay
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.scope import fields_of, outputs_of
from rivya_flows.spec.inlining import included_texts
from rivya_flows.spec.load import check, load
from rivya_flows.spec.named_files import named_files
from support.naive_service import NaiveService, Rehearsal, frozen, items_priced

LOGO = """\
version: 1
name: logo
inputs:
  word: {type: string, max: 20}
  mood: {type: enum, values: [calm, loud], default: calm}
  photo: {type: file, kind: image, required: false}
steps:
  idea:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: "A logo for ${{ inputs.word }}", expect: {visual: string}}
  still:
    uses: generate
    foreach: [a, b]
    with: {model: z-image, prompt: "${{ steps.idea.json.visual }}, ${{ inputs.mood }}, ${{ item }}"}
  restyled:
    uses: generate
    if: ${{ inputs.photo is defined }}
    with: {model: nano-banana-2, prompt: "in that style", references: ["${{ inputs.photo }}"]}
outputs:
  pictures: ${{ steps.still.assets }}
  own: ${{ steps.restyled.asset }}
  words: ${{ steps.idea.json.visual }}
"""
SPEC = """\
version: 1
name: campaign
inputs:
  product: {type: string, default: lamp}
  calm: {type: boolean, default: true}
steps:
  photo:
    uses: generate
    with: {model: z-image, prompt: "a photo of ${{ inputs.product }}"}
  logo:
    uses: include
    with:
      spec: parts/logo.yaml
      inputs:
        word: ${{ inputs.product }}
        mood: ${{ 'calm' if inputs.calm else 'loud' }}
        photo: ${{ steps.photo.asset }}
  film:
    uses: generate
    with:
      model: veo3-1-lite
      prompt: ${{ steps.logo.outputs.words }}
      references: ["${{ steps.logo.outputs.own }}"]
outputs:
  film: ${{ steps.film.asset }}
  logos: ${{ steps.logo.outputs.pictures }}
"""
TEXTS = {"parts/logo.yaml": LOGO}
INSIDE = ("logo__idea", "logo__still", "logo__restyled")


def started(spec: str = SPEC, texts: dict[str, str] = TEXTS, **inputs: Any) -> RunFrozen:
    return frozen(spec, includes=texts, **inputs)


def run_of(start: RunFrozen, **service: Any) -> Rehearsal:
    return Rehearsal(start, NaiveService(**service)).execute()


def test_an_included_spec_is_inlined_and_priced_under_the_name_of_its_step() -> None:
    run = run_of(started())
    assert run.ended == ["completed"]
    assert set(run.state.plan.order) == {"photo", "film", "logo", *INSIDE}
    assert run.prompts("logo__still") == ["a lamp, calm, a", "a lamp, calm, b"]
    assert run.prompts("film") == ["a lamp"]
    logos: Any = outputs_of(run.state).values["logos"]
    assert [one["sha256"] for one in logos] == ["logo__still-a", "logo__still-b"]
    spent = {name: fields_of(run.state, name)["credits"] for name in INSIDE}
    assert fields_of(run.state, "logo")["credits"] == sum(spent.values()) > 0
    again = replay(parse(dump(event)) for event in run.journal)  # with the included texts
    assert {name: now.status for name, now in again.steps.items()} == run.statuses
    prices = items_priced(started())
    assert (prices["logo__still"].model, prices["logo__still"].price.min) == ("z-image", 1)
    assert (prices["logo"].model, prices["logo"].price.min) == (None, 0)


def test_a_step_inside_starts_as_soon_as_what_it_reads_is_there() -> None:
    plan = initial_state(started()).plan
    assert {name: set(step.upstream) for name, step in plan.steps.items()} == {
        "photo": set(), "logo__idea": set(), "logo__restyled": {"photo"}, "logo__still": {"logo__idea"},
        "logo": {"logo__idea", "logo__still", "logo__restyled"}, "film": {"logo"},
    }  # fmt: skip


def test_what_fails_inside_fails_the_include_and_skips_what_follows() -> None:
    run = run_of(started(), rambling=1.0)
    found = run.statuses
    assert (found["logo__idea"], found["logo"], found["film"]) == ("failed", "failed", "skipped")
    assert run.ended == ["failed"]
    assert run.item("logo").reason == "logo__idea failed"


def test_a_resume_goes_on_inside_and_the_include_follows() -> None:
    run = run_of(started(), refusing=1.0)
    run.service.refusing = 0.0
    assert run.execute().ended == ["failed", "completed"]
    assert set(run.statuses.values()) == {"completed"}


def test_a_condition_that_is_false_skips_all_of_it() -> None:
    spec = SPEC.replace("    uses: include\n", "    uses: include\n    if: ${{ inputs.calm }}\n")
    found = run_of(started(spec, calm=False)).statuses
    assert {found[name] for name in ("logo", "logo__idea", "logo__still", "film")} == {"skipped"}
    later = spec.replace("inputs.calm }}\n    with", "steps.photo.status == 'cached' }}\n    with")
    run = run_of(started(later))
    assert {run.statuses[name] for name in ("logo", "logo__idea")} == {"skipped"}
    assert run.item("logo__idea").reason == "the `if` of logo is false"
    assert run.ended == ["completed"]


def test_a_null_is_as_if_nothing_was_given() -> None:
    spec = SPEC.replace("  photo:\n", "  photo:\n    if: ${{ not inputs.calm }}\n", 1)
    found = run_of(started(spec)).statuses
    assert [found[name] for name in ("photo", "logo__restyled")] == ["skipped"] * 2
    assert found["logo"] == "completed"


def test_a_given_value_that_does_not_fit_fails_where_it_is_read() -> None:
    spec = SPEC.replace("default: lamp", 'default: "a word of over twenty letters"')
    run = run_of(started(spec))
    reason = "the input 'word' of logo: 29 characters is more than 20"
    assert str(run.item("logo__idea").reason).startswith(reason)
    assert run.statuses["logo"] == "failed"


def test_no_order_and_no_crash_changes_what_is_bought() -> None:
    smooth = run_of(started())
    for seed in range(6):
        run, order = Rehearsal(started()), random.Random(seed)
        for _ in range(3):
            run.take_up()
            run.run(order, order.randrange(25))
        run.execute(order)
        assert run.service.charges == smooth.service.charges
        assert run.statuses == smooth.statuses


def test_an_include_includes_another_one() -> None:
    outer = SPEC.replace("parts/logo.yaml", "parts/frame.yaml")
    frame = LOGO.replace("""  still:
    uses: generate
    foreach: [a, b]
    with: {model: z-image, prompt: "${{ steps.idea.json.visual }}, ${{ inputs.mood }}, ${{ item }}"}
""", """  still:
    uses: include
    with: {spec: deep/logo.yaml, inputs: {word: "${{ inputs.word }}", mood: loud}}
""").replace("steps.still.assets", "steps.still.outputs.pictures")  # fmt: skip
    run = run_of(started(outer, {"parts/frame.yaml": frame, "parts/deep/logo.yaml": LOGO}))
    assert run.ended == ["completed"]
    assert run.prompts("logo__still__still") == ["a lamp, loud, a", "a lamp, loud, b"]
    assert run.statuses["logo__still__restyled"] == "skipped"


def test_the_folder_and_the_frozen_texts_give_equal_workflows(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "logo.yaml").write_text(LOGO)
    read = load(SPEC, file="campaign.yaml", catalogue=shipped(), folder=tmp_path)
    assert included_texts(read) == TEXTS
    assert read == load(SPEC, file="campaign.yaml", catalogue=shipped(), includes=TEXTS)
    assert expand(read, {"product": "x", "calm": True}, shipped()).order


def test_a_fallback_is_read_as_the_arguments_of_its_step(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "own.png")
    text = """
version: 1
name: shots
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: A lamp}
    fallback: [{model: nano-banana, references: [own.png, "${{ steps.other.asset }}"]}]
  other: {uses: generate, with: {model: z-image, prompt: Another}}
"""
    workflow = load(text, file="a.yaml", catalogue=shipped(), folder=tmp_path)
    assert set(named_files(workflow)) == {"own.png"}
    plan = expand(workflow, {}, shipped())
    assert plan.order == ("other", "still")
    assert plan.steps["still"].upstream == {"other"}


def test_files_of_an_included_spec_start_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "inner.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "outer.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    inner = LOGO.replace("required: false}", "default: inner.png}")
    (tmp_path / "parts" / "logo.yaml").write_text(inner)
    spec = SPEC.replace("${{ steps.photo.asset }}", "outer.png")
    workflow = load(spec, file="a.yaml", catalogue=shipped(), folder=tmp_path)
    assert set(named_files(workflow)) == {"parts/inner.png", "outer.png"}
    wrong = spec.replace("outer.png", "inner.png")
    _, problems = check(wrong, file="a.yaml", catalogue=shipped(), folder=tmp_path)
    assert [(one.code, one.line) for one in problems] == [("wrong-input", 17)]
    start = started(spec, {"parts/logo.yaml": inner})
    asset = Asset(kind="image", sha256="outer", mime_type="image/png", size_bytes=1)
    run = run_of(start.model_copy(update={"files": {"outer.png": asset}}))
    request = run.item("logo__restyled").request
    assert request is not None
    assert [medium.source for medium in request.uploads] == ["outer"]


HEADS = {"mp4": b"\0\0\0\x18ftypisom", "png": b"\x89PNG\r\n\x1a\n", "mp3": b"ID3"}
"""The first bytes of a file, by its extension."""


def test_files_inside_the_maps_of_an_included_composition_are_found_in_its_folder(
    tmp_path: Path,
) -> None:
    inner = """\
version: 1
name: inner
steps:
  spot:
    uses: compose
    with:
      clips: [a.mp4, {media: b.png}, "${{ steps.card.asset }}"]
      narration: c.mp3
      music: {media: d.mp3}
      overlays: [{media: e.png}, {text: f.png}]
      end_card: {image: g.png}
  card:
    uses: layout
    with: {image: h.png}
"""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "inner.yaml").write_text(inner)
    for name in "abcdefgh":
        for path in tmp_path, tmp_path / "parts":
            for suffix, head in HEADS.items():
                (path / f"{name}.{suffix}").write_bytes(head)
    outer = (
        "version: 1\nname: outer\nsteps:\n  a: {uses: include, with: {spec: parts/inner.yaml}}\n"
    )
    workflow = load(outer, file="a.yaml", catalogue=shipped(), folder=tmp_path)
    names = ["a.mp4", "b.png", "c.mp3", "d.mp3", "e.png", "g.png", "h.png"]
    assert sorted(named_files(workflow)) == [f"parts/{name}" for name in names]


WRONG = {
    "missing": ("bad-include", SPEC.replace("parts/logo.yaml", "☞parts/nothing.yaml")),
    "outside": ("bad-include", SPEC.replace("parts/logo.yaml", "☞../logo.yaml")),
    "absolute": ("bad-include", SPEC.replace("parts/logo.yaml", "☞/etc/passwd")),
    "computed": ("expression-not-allowed", SPEC.replace("parts/logo.yaml", '☞"${{ inputs.product }}"')),
    "unknown input": ("unknown-input", SPEC.replace("        mood:", "        ☞mod:")),
    "missing input": (
        "missing-input",
        SPEC.replace("        word: ${{ inputs.product }}\n", "").replace("      inputs:\n", "      ☞inputs:\n"),
    ),
    "wrong literal": ("wrong-input", SPEC.replace("${{ 'calm' if inputs.calm else 'loud' }}", "☞quiet")),
    "wrong shape": ("wrong-type", SPEC.replace("${{ steps.photo.asset }}", "☞${{ inputs.calm }}")),
    "asset for a text": ("wrong-type", SPEC.replace("word: ${{ inputs.product }}", "word: ☞${{ steps.photo.asset }}")),
    "unknown output": ("unknown-field", SPEC.replace("steps.logo.outputs.words", "☞steps.logo.outputs.word")),
    "output without outputs": ("unknown-field", SPEC.replace("steps.logo.outputs.words", "☞steps.logo.words")),
    "step inside": ("unknown-step", SPEC.replace("steps.logo.outputs.words", "☞steps.logo__idea.text")),
    "unknown step in an input": ("unknown-step", SPEC.replace("steps.photo.asset", "☞steps.photos.asset")),
    "name of two steps": ("duplicate-name", SPEC.replace("  film:\n", "  ☞logo__idea:\n").replace("steps.film.asset", "inputs.product")),
    "name of a step of an item": (
        "duplicate-name",
        SPEC.replace("  film:\n", "  ☞logo__a:\n").replace("    uses: include\n", "    uses: include\n    foreach: [a, b]\n")
        .replace("steps.logo.outputs", "steps.logo.items[0].outputs").replace("steps.film.asset", "inputs.product"),
    ),
    "outputs of many items": (
        "unknown-field",
        SPEC[: SPEC.index("  film:")].replace("    uses: include\n", "    uses: include\n    foreach: [a, b]\n")
        + "outputs: {all: \"${{ steps.logo.items }}\", own: \"${{ ☞steps.logo.outputs.own }}\"}\n",
    ),
    "pick of what has no medium": (
        "wrong-type",
        SPEC[: SPEC.index("  film:")].replace("    uses: include\n", "    uses: include\n    foreach: [a, b]\n")
        + "  best: {uses: pick, with: {from: ☞\"${{ steps.logo.items }}\"}}\n",
    ),
    "key without effect": ("needless-key", SPEC.replace("    uses: include\n", "    uses: include\n    ☞max_parallel: 2\n")),
}  # fmt: skip


@pytest.mark.parametrize(("code", "marked"), WRONG.values(), ids=WRONG.keys())
def test_wrong_include_has_one_problem_at_its_place(code: str, marked: str) -> None:
    before, _, after = marked.partition("☞")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    _, found = check(before + after, file="spec.yaml", catalogue=shipped(), includes=TEXTS)
    shown = "\n".join(map(str, found))
    assert [(p.line, p.column, p.code) for p in found] == [(line, column, code)], shown
    if code == "needless-key":
        assert found[0].hint == "set it on the steps of that spec"


def problems_with(**texts: str) -> list[tuple[str, int, str]]:
    includes = {f"{name}.yaml": text for name, text in texts.items()}
    _, found = check(texts["a"], file="specs/a.yaml", catalogue=shipped(), includes=includes)
    return [(problem.file, problem.line, problem.code) for problem in found]


def including(*names: str, more: str = "") -> str:
    steps = "".join(
        f"  s{number}:\n    uses: include\n    with: {{spec: {name}.yaml}}\n"
        for number, name in enumerate(names)
    )
    return f"version: 1\nname: a\nsteps:\n{steps}{more}"


STILL = "  still:\n    uses: generate\n    with: {model: z-image, prompt: x}\n"


def test_a_problem_inside_is_told_once_in_the_file_where_it_is() -> None:
    wrong = including(more=STILL.replace("z-image", "z-imag"))
    found = problems_with(a=including("b", "c"), b=including("c"), c=wrong)
    assert found == [("specs/c.yaml", 6, "unknown-model")]


def test_a_cycle_of_specs_is_refused_where_it_closes() -> None:
    assert problems_with(a=including("b"), b=including("a")) == [("specs/b.yaml", 6, "cycle")]
    assert problems_with(a=including("a")) == [("specs/a.yaml", 6, "cycle")]


def test_an_included_spec_has_no_end_of_its_own() -> None:
    ending = including(more=STILL + "finally:\n" + STILL.replace("still", "last"))
    assert problems_with(a=including("b"), b=ending) == [("specs/a.yaml", 6, "bad-include")]


def test_specs_that_double_each_other_and_very_deep_ones_are_stopped() -> None:
    texts = {chr(97 + n): including(*[chr(98 + n)] * 9) for n in range(5)}
    codes = {code for *_, code in problems_with(**texts, f=including(more=STILL))}
    assert codes == {"too-large"}
    deep = {f"s{n}": including(f"s{n + 1}") for n in range(12)}
    found = problems_with(a=including("s0"), **deep, s12=including(more=STILL))
    assert [code for _, _, code in found] == ["too-deep"]


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "secret.yaml").write_text(including(more=STILL))
    (tmp_path / "specs" / "b.yaml").symlink_to(tmp_path / "secret.yaml")
    _, found = check(including("b"), file="a.yaml", catalogue=shipped(), folder=tmp_path / "specs")
    assert [(p.code, "outside the folder" in p.message) for p in found] == [("bad-include", True)]
