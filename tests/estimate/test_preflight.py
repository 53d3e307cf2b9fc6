"""What inputs and loop variables alone decide is looked at before the first credit, also where the step waits for what is bought."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_flows.errors import SpecError
from rivya_flows.preparation.spec_file import SpecFile
from support.prepared_specs import prepared

HEAD = """\
version: 1
name: test
inputs:
  word: {type: text}
  words: {type: list, of: string, default: [neon, noir]}
  photo: {type: file, required: false}
  none: {type: list, of: string, default: []}
steps:
  script: {uses: chat, with: {model: gpt-5-2-chat, message: A shot}}
  maybe:
    uses: chat
    if: ${{ steps.script.text == 'yes' }}
    with: {model: gpt-5-2-chat, message: Another}
  never:
    uses: chat
    if: false
    with: {model: gpt-5-2-chat, message: Another}
  stills:
    uses: generate
    matrix: {style: "${{ inputs.words }}"}
    with: {model: z-image, prompt: "${{ matrix.style }}"}
  drafts:
    uses: generate
    foreach: ${{ inputs.words }}
    allow_failures: 2
    with: {model: z-image, prompt: "${{ item }}"}
  after:
    uses: generate
    foreach: ${{ steps.drafts.items }}
    with: {model: nano-banana, prompt: In watercolor, references: ["${{ item.asset }}"]}
"""
PART = """\
version: 1
name: part
inputs: {shape: {type: string, max: 5}, text: {type: text}}
steps:
  a:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.text }}", params: {aspect_ratio: "${{ inputs.shape }}"}}
"""
PICTURE = 'uses: generate, with: {model: z-image, prompt: "${{ steps.script.text }}"'
COMPUTED = PICTURE.replace("z-image", '"${{ inputs.word }}"') + "}"
SHAPED = f'{PICTURE}, params: {{aspect_ratio: "${{{{ inputs.word }}}}"}}}}'
NOT_9_17 = "'aspect_ratio' cannot be '9:17'; did you mean '9:16'? one of 1:1, 4:3, 3:4, 16:9, 9:16"
JUDGED = 'uses: pick, with: {from: "${{ steps.stills.items }}", mode: human, judge: {model: gpt-5-2-chat, criteria: [whole]}}'
JUDGED_BY = JUDGED.replace("gpt-5-2-chat", '"${{ inputs.word }}"')
BEST = 'uses: pick, with: {from: "${{ steps.drafts.items }}", mode: best, by: "${{ BY }}"}'
RESTYLED = "uses: generate, with: {model: nano-banana, prompt: x, references: [REFERENCE]}"
ABSENT = RESTYLED.replace("REFERENCE", "\"${{ steps.stills.by['old'].asset }}\"")
FILM = 'uses: generate, with: {model: veo3-1-lite, prompt: x, references: "${{ OF }}"}'
CUT = 'uses: compose, with: {clips: ["${{ OF }}"]}'
INCLUDED = 'uses: include, with: {spec: part.yaml, inputs: {shape: "${{ inputs.word }}", text: "${{ steps.script.text }}"}}'
MUCH = (
    PICTURE.removesuffix('"')
    + " ${{ ["
    + ", ".join(["inputs.word | slug"] * 50)
    + '] | length }}"}'
)


def prompted(more: str) -> str:
    """A picture whose prompt has more behind what is bought."""
    return PICTURE.replace("text }}", "text }}" + more) + "}"


def told(step: str, folder: Path, inputs: dict[str, Any], more: str = "") -> list[str]:
    """What stops a run of a step `a` that waits for a bought one; nothing where it may start."""
    (folder / "part.yaml").write_text(PART)
    Image.new("RGB", (8, 8)).save(folder / "own.png")
    try:
        spec = SpecFile(f"{HEAD}  a: {{{step}}}\n{more}", "spec.yaml", folder)
        prepared(spec, {"word": "1:1"} | inputs, folder)
    except SpecError as error:
        return [problem.message for problem in error.diagnostics]
    return []


CERTAIN: dict[str, tuple[str, dict[str, Any], str]] = {
    "a parameter": (SHAPED, {"word": "9:17"}, f"a: {NOT_9_17}"),
    "a parameter of one item": (
        f'matrix: {{r: ["1:1", "${{{{ inputs.word }}}}"]}}, {PICTURE}, params: {{aspect_ratio: "${{{{ matrix.r }}}}"}}}}',
        {"word": "7:7"}, "a[7:7]: 'aspect_ratio' cannot be '7:7'; one of 1:1, 4:3, 3:4, 16:9, 9:16"),
    "a parameter of items that follow others": (
        f'foreach: "${{{{ steps.stills.items }}}}", {SHAPED}', {"word": "9:17"}, f"a[neon]: {NOT_9_17}"),
    "the key of an item that is followed": (
        'foreach: "${{ steps.drafts.items }}", key: "${{ item.key }}", uses: layout, with: {image: "${{ item.asset }}", formats: ["${{ item.key }}"]}',
        {"words": ["1:1", "8:8"]}, "a[8:8]: formats[0]: item 1 cannot be '8:8'; there are: 16:9, 9:16, 1:1, 4:5, 5:4, 4:3, 3:4, 3:2, 2:3, 21:9"),
    "an item that has the same origin as one to be made": (
        'matrix: {style: "${{ inputs.words }}"}, uses: generate, with: {model: veo3-1-lite, prompt: push, '
        'references: ["${{ steps.stills.same.asset }}"], params: {aspectRatio: "${{ matrix.style }}"}}',
        {"words": ["9:16", "9:17"]}, "a[9:17]: 'aspectRatio' cannot be '9:17'; did you mean '9:16'? one of 16:9, 9:16, Auto"),
    "an axis of an item that is followed": (
        'foreach: "${{ steps.stills.items }}", as: still, uses: generate, with: {model: veo3-1-lite, '
        'prompt: "${{ steps.script.text }}", params: {aspectRatio: "${{ still.style }}"}}',
        {"words": ["9:16", "9:17"]}, "a[9:17]: 'aspectRatio' cannot be '9:17'; did you mean '9:16'? one of 16:9, 9:16, Auto"),
    "the side of a choice that is known": (
        'uses: layout, with: {image: "${{ inputs.word or steps.script.text }}"}', {"word": "A lamp"},
        "a: 'image': a path such as 'A lamp' is not allowed here; give a URL or a file id"),
    "what it uses is skipped, and something else stands ready": (
        SHAPED.replace("steps.script.text", "steps.never.text or steps.script.text"), {"word": "9:17"}, f"a: {NOT_9_17}"),
    "a key in the measure of a pick": (
        BEST.replace("BY", "steps.stills.by[inputs.word].asset.width"), {"word": "old"}, "a: steps.stills.by has no 'old'; it has: neon, noir"),
    "a measure of a pick that is null": (
        BEST.replace("BY", "item.asset.width * (1 + (steps.never.text | length))"), {},
        "a: there is nothing to pick from: `by` is null for every candidate, as steps.never.text is null"),
    "a path in an input that is text": (
        'uses: layout, with: {image: "${{ inputs.word }}"}', {"word": "no-such.png"},
        "a: 'image': a path such as 'no-such.png' is not allowed here; make the input 'word' a file: {type: file, kind: image}"),
    "a model": (COMPUTED, {"word": "z-imag"}, "a: no model 'z-imag'; did you mean 'z-image'?"),
    "a model for something else": (
        COMPUTED, {"word": "gpt-5-2-chat"}, "a: 'gpt-5-2-chat' is a model for chat, not for generate; write `uses: chat`"),
    "the known part of a prompt": (
        prompted(", ${{ inputs.word }}"), {"word": "x" * 1_000},
        "a: the prompt has at least 1,002 characters; 'z-image' takes at most 1,000; shorten it, or pick another model"),
    "an index": (prompted(" ${{ inputs.words[4] }}"), {}, "a: inputs.words has 2 items, so there is no [4]"),
    "a model of a fallback": (
        PICTURE + '}, fallback: [{prompt: x}, {model: "${{ inputs.word }}"}]', {"word": "z-imag"},
        "a: fallback 2: no model 'z-imag'; did you mean 'z-image'?"),
    "a fallback that makes other media": (
        PICTURE + '}, fallback: [{model: "${{ inputs.word }}"}]', {"word": "veo3-1-lite"},
        "a: fallback 1: 'veo3-1-lite' makes video, and the step image"),
    "a member in a fallback": (
        PICTURE + "}, fallback: [{model: nano-banana, prompt: x, references: [\"${{ steps.stills.by['old'].asset }}\"]}]", {},
        "a: steps.stills.by has no 'old'; it has: neon, noir"),
    "an effort": (
        'uses: chat, with: {model: gpt-5-2-chat, message: "${{ steps.script.text }}", reasoning_effort: "${{ inputs.word }}"}', {"word": "huge"},
        "a: 'reasoning_effort' cannot be 'huge'; there are: default, minimal, low, medium, high, xhigh"),
    "who picks": (
        'uses: pick, with: {from: "${{ steps.stills.items }}", mode: "${{ inputs.word }}"}', {"word": "Human"},
        "a: 'mode' cannot be 'Human'; did you mean 'human'? there are: human, first, best, judge"),
    "a judge that is no chat model": (
        JUDGED_BY, {"word": "z-image"}, "a: 'z-image' is a model for generate, not for chat; name a chat model: `rivya-flows models`"),
    "a judge that sees no pictures": (
        JUDGED_BY, {"word": "claude-sonnet-4-6-chat"},
        "a: 'claude-sonnet-4-6-chat' takes no attachments, so it cannot judge pictures; pick another model"),
    "a criterion of a judge": (
        JUDGED.replace("whole", '"${{ inputs.word }}"'), {"word": "x" * 301}, "a: criterion 1 of the judge has 301 characters, not 1 to 300"),
    "a question to a judge": (
        JUDGED.replace("mode: human", 'question: "${{ inputs.word }}", mode: human'), {"word": "x" * 16_000},
        "a: question and criteria have 16,005 characters; a message to 'gpt-5-2-chat' has room for 14,000; shorten them, or pick another model"),
    "more to pick than there is": (
        JUDGED.replace("mode: human", "count: 3, mode: human"), {}, "a: 3 must be picked, and stills makes 2"),
    "an invalid sound": (
        'uses: compose, with: {clips: "${{ steps.stills.assets }}", audio: "${{ inputs.photo }}"}', {"photo": "own.png"},
        "a: 'audio[0]' takes audio or a video, but this is an image"),
    "a key that a fan-out will not have": (
        CUT.replace("OF", "steps.stills.by['neon'].asset"), {"words": ["studio", "noir"]}, "a: steps.stills.by has no 'neon'; it has: studio, noir"),
    "an item that a fan-out will not have": (
        CUT.replace("OF", "steps.stills.items[2].asset"), {}, "a: steps.stills.items has 2 items, so there is no [2]"),
    "more references than a model takes": (
        FILM.replace("OF", "steps.stills.assets"), {"words": ["a", "b", "c"]},
        "a: 3 reference files; 'veo3-1-lite' takes at most 2; Up to 2 images of at most 10 MB each."),
    "too many items": (
        f'foreach: "${{{{ inputs.words }}}}", max_items: 1, {PICTURE}}}', {},
        "a: 2 items, but max_items is 1: raise it, or take the first with `limit: 1`"),
    "a parameter inside an included spec": (INCLUDED, {"word": "9:17"}, f"a__a: {NOT_9_17}"),
    "under a condition that only the run decides": (
        f"if: \"${{{{ steps.script.text == 'yes' }}}}\", {SHAPED}", {"word": "9:17"}, f"a: {NOT_9_17}"),
    "what it uses may be skipped": (
        SHAPED.replace("script.text", "maybe.text"), {"word": "9:17"}, f"a: {NOT_9_17}"),
    "of an item whose condition only the run decides": (
        f'matrix: {{r: ["1:1", "${{{{ inputs.word }}}}"]}}, if: "${{{{ matrix.r in steps.script.text }}}}", {PICTURE}, params: {{aspect_ratio: "${{{{ matrix.r }}}}"}}}}',
        {"word": "7:7"}, "a[7:7]: 'aspect_ratio' cannot be '7:7'; one of 1:1, 4:3, 3:4, 16:9, 9:16"),
    "inside an include that only the run decides": (
        INCLUDED.replace("include,", "include, if: \"${{ steps.script.text == 'yes' }}\","), {"word": "9:17"}, f"a__a: {NOT_9_17}"),
    "inside an include for each item of a list that only the run knows": (
        'foreach: "${{ steps.script.text | split }}", ' + INCLUDED, {"word": "9:17"}, f"a__item__a: {NOT_9_17}"),
    "in the rounds of a step": (
        'repeat: {until: "${{ steps.a.asset.width > 9 }}", at_most: 2}, ' + SHAPED, {"word": "9:17"}, f"a.1: {NOT_9_17}"),
    "an input of an included spec": (INCLUDED, {"word": "too long"}, "a: the input 'shape' of a: 8 characters is more than 5"),
    "a film by its URL for a model of pictures": (
        RESTYLED.replace("REFERENCE", '"${{ inputs.word }}"'), {"word": "https://example.com/a.mp4?x=1"},
        "a: 'nano-banana' does not take video references; it takes image"),
    "lists of different lengths": (
        f'zip: {{a: "${{{{ inputs.words }}}}", b: [1, 2]}}, {PICTURE}}}', {"words": ["x"]},
        "a: the lists of a zip differ in length: a has 1, b has 2"),
    "items and a list of another length": (
        f'zip: {{a: "${{{{ steps.stills.items }}}}", b: [1, 2, 3]}}, {PICTURE}}}', {},
        "a: the lists of a zip differ in length: one has at least 3 members, another at most 2"),
    "more work than one text may take": (
        MUCH, {"word": "a long word " * 50_000}, "a: the expression handles more than 16,777,216 characters"),
}  # fmt: skip
"""What is wrong with a step, its inputs, and what is said of it before anything is bought."""


@pytest.mark.parametrize("case", CERTAIN)
def test_failure_that_is_certain_is_told_before_anything_is_bought(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    step, inputs, expected = CERTAIN[case]
    assert told(step, tmp_path, inputs)[0] == expected


POSSIBLE: dict[str, tuple[str, dict[str, Any]]] = {
    "a part of the condition is false": (
        f"if: \"${{{{ steps.script.text == 'yes' and inputs.word == '1:1' }}}}\", {SHAPED}", {"word": "9:17"}),
    "the condition asks about the member": (
        'if: "${{ steps.stills.items | length > 2 }}", ' + CUT.replace("OF", "steps.stills.items[2].asset"), {}),
    "the condition asks how many there are": (
        'if: "${{ steps.stills.items | length < 3 }}", ' + FILM.replace("OF", "steps.stills.assets"), {"words": ["a", "b", "c"]}),
    "the condition of the include is false": (
        INCLUDED.replace("include,", "include, if: \"${{ steps.script.text == 'yes' and not inputs.word }}\","), {"word": "9:17"}),
    "the item is skipped": (
        f'foreach: "${{{{ inputs.words }}}}", if: "${{{{ item == inputs.word }}}}", {PICTURE}, params: {{aspect_ratio: "${{{{ item }}}}"}}}}',
        {"words": ["1:1", "9:17"], "word": "1:1"}),
    "default stands ready": (prompted(" ${{ inputs.words[4] | default('') }}"), {}),
    "there is no item that would ask for the member": (f'foreach: "${{{{ inputs.none }}}}", {ABSENT}', {}),
    "every item that would ask for the member is skipped": (f'foreach: [1], if: "${{{{ item > 1 }}}}", {ABSENT}', {}),
    "who asks for the member lacks something else and is skipped": (
        ABSENT.replace("references: [", 'references: ["${{ inputs.photo }}", '), {}),
    "as many references as may fail with what they follow": (
        FILM.replace("OF", "steps.after.assets"), {"words": ["a", "b", "c"]}),
    "the other side of a choice": (
        CUT.replace("OF", "steps.stills.by['neon'].asset if 'neon' in inputs.words else steps.stills.items[0].asset"), {"words": ["noir"]}),
    "default stands ready for a member": (
        CUT.replace("OF", "steps.stills.by['neon'].asset | default(steps.stills.items[0].asset)"), {"words": ["noir"]}),
    "some of the references": (FILM.replace("OF", "steps.stills.assets[:2]"), {"words": ["a", "b", "c"]}),
    "nothing is given, so the step is skipped": (prompted(" ${{ inputs.photo.url }} ${{ inputs.words[4] }}"), {}),
    "a measure of a pick that has something else instead of a null": (
        BEST.replace("BY", "item.asset.width * ((steps.never.text or item.key) | length)"), {}),
    "an address may be anything": (
        'uses: generate, with: {model: nano-banana-2, prompt: "${{ steps.script.text }}", '
        'references: ["${{ inputs.photo }}", "${{ steps.stills.items[0].asset }}"]}', {"photo": {"url": "https://a.b/c"}}),
    "a judge of restyled pictures": (JUDGED.replace("stills", "after"), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", POSSIBLE)
def test_what_may_not_come_to_pass_stops_nothing(case: str, tmp_path: Path) -> None:
    step, inputs = POSSIBLE[case]
    assert told(step, tmp_path, inputs) == []


def test_value_that_an_included_spec_does_not_take_is_told_once(tmp_path: Path) -> None:
    include = INCLUDED.replace('"${{ steps.script.text }}"', "x")
    reason = "the input 'shape' of a: 8 characters is more than 5"
    assert told(include, tmp_path, {"word": "too long"}) == [f"a__a: {reason}"]


def test_what_the_plan_tells_has_its_place_in_the_spec(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    text = f"""{HEAD}  first: {{uses: include, with: {{spec: part.yaml, inputs: {{shape: "9:17", text: x}}}}}}
  a: {{{SHAPED}}}
finally:
  last: {{{PICTURE.replace("text }}", "text }} ${{ inputs.words[4] }}")}}}}}
outputs:
  line: ${{{{ inputs.words[5] }}}}
"""
    with pytest.raises(SpecError) as caught:
        prepared(SpecFile(text, "spec.yaml", tmp_path), {"word": "9:17"}, tmp_path)
    lines = text.splitlines()
    assert [(lines[one.line - 1][:9], one.column) for one in caught.value.diagnostics] == [
        ("  first: ", 3), ("  a: {use", 3), ("  last: {", 3), ("  line: $", 3),
    ]  # fmt: skip
    step = caught.value.diagnostics[1]
    assert str(step).splitlines()[1:] == [f"  {lines[step.line - 1]}", "    ^"]


def test_output_of_which_a_known_part_cannot_be_worked_out_is_told(tmp_path: Path) -> None:
    outputs = 'outputs: {line: "${{ steps.script.text }} ${{ inputs.words[4] }}"}\n'
    problems = told(f"{PICTURE}}}", tmp_path, {}, outputs)
    assert problems == ["the output 'line': inputs.words has 2 items, so there is no [4]"]


def test_a_file_that_is_too_large_for_the_model_of_its_upload_is_told(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "large.png")
    with (tmp_path / "large.png").open("ab") as file:
        file.truncate(31 << 20)
    step = "uses: upload, with: {file: large.png, kind: image, model: nano-banana-2}"
    reason = "the image has 31.0 MB; 'nano-banana-2' takes at most 30 MB; use a smaller file"
    assert told(step, tmp_path, {}) == [f"a: {reason}"]
    later = step.replace("large.png", '"${{ inputs.photo }}"')
    photo = {"photo": str(tmp_path / "large.png")}
    assert told(f"needs: [script], {later}", tmp_path, photo) == [f"a: {reason}"]


CARDS = """\
  cards:
    uses: layout
    foreach: ${{ steps.stills.items }}
    key: ${{ item.key }}
    with: {image: "${{ item.asset }}", formats: ["1:1", "4:5"]}
  poster: {uses: layout, with: {image: "${{ steps.cards.items[0].asset }}", formats: ["1:1", "4:5"]}}
"""


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("steps.cards.by['old'].asset", "steps.cards.by has no 'old'; it has: neon, noir"),
        ("steps.cards.by['noir'].asset", ""),
        ("steps.poster.by[inputs.word].asset", "steps.poster.by has no '9:16'; it has: 1:1, 4:5"),
        ("steps.cards.assets[4]", "steps.cards.assets has 4 items, so there is no [4]"),
        ("steps.cards.assets[3]", ""),
        ("steps.poster.assets[-3]", "steps.poster.assets has 2 items, so there is no [-3]"),
        ("steps.poster.assets[4] | default('none')", ""),
    ],
)
def test_output_of_a_composition_that_will_not_be_made_is_told(
    output: str, reason: str, tmp_path: Path
) -> None:
    outputs = f'{CARDS}outputs: {{made: "${{{{ {output} }}}}"}}\n'
    expected = [f"the output 'made': {reason}"] if reason else []
    assert told(f"{PICTURE}}}", tmp_path, {"word": "9:16"}, outputs) == expected
