"""Wrong specs, each with its one mistake: the ☞ stands where the problem must point."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.errors import Problem, SpecError
from rivya_flows.spec.load import check, load

HEAD = "version: 1\nname: test\n"
SCRIPT = """\
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Hi, expect: {visual: string, tags: [string]}}
"""
STILLS = """\
  stills:
    uses: generate
    matrix: {style: [neon, noir]}
    with: {model: z-image, prompt: "a lamp, ${{ matrix.style }}"}
"""
STILL = """\
  still:
    uses: generate
    with: {model: z-image, prompt: a lamp}
"""
INPUTS = """\
inputs:
  product: {type: string, default: lamp}
  styles: {type: list, of: string, default: [neon]}
  photo: {type: file, kind: image, required: false}
  ratio: {type: enum, values: ["1:1", "5:4"], default: "1:1"}
"""


def problems_of(text: str, folder: Path | None = None) -> tuple[Problem, ...]:
    return check(text, file="spec.yaml", catalogue=shipped(), folder=folder)[1]


WRONG = {
    # the file
    "empty file": ("not-a-spec", "☞"),
    "a list": ("not-a-spec", "☞- a\n"),
    "a word": ("not-a-spec", "☞hello\n"),
    "no version": ("missing-key", "☞name: test\nsteps:\n" + STILL),
    "another version": ("wrong-version", "version: ☞2\nname: test\nsteps:\n" + STILL),
    "version as text": ("wrong-version", "version: ☞'1'\nname: test\nsteps:\n" + STILL),
    "version true": ("wrong-version", "version: ☞true\nname: test\nsteps:\n" + STILL),
    "no name": ("missing-key", "☞version: 1\nsteps:\n" + STILL),
    "name with a space": ("bad-name", "version: 1\nname: ☞My film\nsteps:\n" + STILL),
    "name as number": ("wrong-type", "version: 1\nname: ☞5\nsteps:\n" + STILL),
    "no steps": ("missing-key", "☞" + HEAD),
    "empty steps": ("missing-key", HEAD + "☞steps: {}\n"),
    "steps as a list": ("wrong-type", HEAD + "steps:\n  ☞- uses: chat\n"),
    # keys
    "unknown top key": ("unknown-key", HEAD + "☞step: 1\nsteps:\n" + STILL),
    "unknown input key": (
        "unknown-key",
        HEAD + "inputs:\n  a: {type: text, ☞defautl: x}\nsteps:\n" + STILL,
    ),
    "unknown step key": ("unknown-key", HEAD + "steps:\n" + STILL + "    ☞matrx: {a: [1]}\n"),
    "step with an id": ("unknown-key", HEAD + "steps:\n" + STILL + "    ☞id: a\n"),
    "unknown argument": (
        "unknown-key",
        HEAD
        + "steps:\n  a:\n    uses: generate\n    with: {model: z-image, prompt: x, ☞seed: 1}\n",
    ),
    "duplicate step": (
        "duplicate-key",
        HEAD + "steps:\n" + STILL + STILL.replace("  s", "  ☞s", 1),
    ),
    "computed key": (
        "expression-not-allowed",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: {☞'${{ b }}': 1}\n",
    ),
    # steps
    "step is text": ("wrong-type", HEAD + "steps:\n  a: ☞hello\n"),
    "step without uses": ("missing-key", HEAD + "steps:\n  ☞a:\n    title: x\n"),
    "unknown uses": ("unknown-uses", HEAD + "steps:\n  a:\n    uses: ☞genrate\n    with: {}\n"),
    "uses of a later version": (
        "unknown-uses",
        HEAD + "steps:\n  a:\n    uses: ☞publish\n    with: {url: x}\n",
    ),
    "no with": ("missing-key", HEAD + "steps:\n  ☞a:\n    uses: pick\n"),
    "with without model": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: generate\n    ☞with: {prompt: x}\n",
    ),
    "step name with capital": ("bad-name", HEAD + "steps:\n" + STILL.replace("still", "☞Still", 1)),
    "time that is none": ("wrong-value", HEAD + "steps:\n" + STILL + "    timeout: ☞soon\n"),
    "time of zero": ("wrong-value", HEAD + "steps:\n" + STILL + "    timeout: ☞0s\n"),
    "time that is true": ("wrong-type", HEAD + "steps:\n" + STILL + "    timeout: ☞true\n"),
    "time that is false in defaults": (
        "wrong-type",
        HEAD + "defaults: {generate: {timeout: ☞false}}\nsteps:\n" + STILL,
    ),
    "text for a number": ("wrong-type", HEAD + "steps:\n" + STILL + "    regenerate: ☞'2'\n"),
    "number out of range": (
        "out-of-range",
        HEAD + "steps:\n" + STILL + "    retry: {attempts: ☞50}\n",
    ),
    "cache that is none": ("wrong-choice", HEAD + "steps:\n" + STILL + "    cache: ☞on\n"),
    "expression for a number": (
        "expression-not-allowed",
        HEAD + INPUTS + "steps:\n" + STILL + '    max_parallel: ☞"${{ inputs.n }}"\n',
    ),
    "expression in a title": (
        "expression-not-allowed",
        HEAD + "title: ☞${{ inputs.a }}\nsteps:\n" + STILL,
    ),
    "unknown key of concurrency": (
        "unknown-key",
        HEAD + "concurrency: {group: a, ☞limits: 1}\nsteps:\n" + STILL,
    ),
    "concurrency without a group": (
        "missing-key",
        HEAD + "☞concurrency: {limit: 1}\nsteps:\n" + STILL,
    ),
    "no run at once": (
        "out-of-range",
        HEAD + "concurrency: {group: a, limit: ☞0}\nsteps:\n" + STILL,
    ),
    "group with a slash": (
        "bad-name",
        HEAD + "concurrency: {group: ☞a/b}\nsteps:\n" + STILL,
    ),
    "budget as text": ("wrong-type", HEAD + "budget: {credits: ☞'60'}\nsteps:\n" + STILL),
    "unknown default kind": ("unknown-uses", HEAD + "defaults: {☞gen: {}}\nsteps:\n" + STILL),
    "wrong default in defaults": (
        "wrong-value",
        HEAD + "defaults: {generate: {timeout: ☞x}}\nsteps:\n" + STILL,
    ),
    "wrong option in defaults": (
        "bad-option",
        HEAD + "defaults: {generate: {with: {params: {aspect_ratio: ☞9:17}}}}\nsteps:\n" + STILL,
    ),
    # expressions
    "unclosed expression": ("bad-expression", HEAD + "outputs: {a: '☞${{ x'}\nsteps:\n" + STILL),
    "unreadable expression": (
        "bad-expression",
        HEAD + "steps:\n" + STILL + "outputs: {a: '☞${{ steps.still. }}'}\n",
    ),
    "unknown filter": (
        "bad-expression",
        HEAD + INPUTS + "steps:\n" + STILL + "outputs: {a: '${{ inputs.product | ☞slgu }}'}\n",
    ),
    "function": (
        "bad-expression",
        HEAD + "steps:\n" + STILL + "outputs: {a: '☞${{ range(3) }}'}\n",
    ),
    "unknown input": (
        "unknown-input",
        HEAD + INPUTS + "steps:\n" + STILL + "outputs: {a: 'x ${{ ☞inputs.prodct }}'}\n",
    ),
    "unknown step": (
        "unknown-step",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.stil.asset }}\n",
    ),
    "unknown field": (
        "unknown-field",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.still.picture }}\n",
    ),
    "unknown field of an asset": (
        "unknown-field",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.still.asset.size }}\n",
    ),
    "field that expect lacks": (
        "unknown-field",
        HEAD + "steps:\n" + SCRIPT + "outputs:\n  a: ${{ ☞steps.script.json.visul }}\n",
    ),
    "json without expect": (
        "unknown-field",
        HEAD
        + "steps:\n  s:\n    uses: chat\n    with: {model: gemini-2-5-flash-chat, message: Hi}\n"
        + "outputs:\n  a: ${{ ☞steps.s.json.visual }}\n",
    ),
    "asset of a fan-out": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞steps.stills.asset }}\n",
    ),
    "items of a single step": (
        "unknown-field",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.still.items }}\n",
    ),
    "field of a list": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞steps.stills.items.asset }}\n",
    ),
    "second mistake of a text": (
        "unknown-step",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL
        + 'outputs:\n  a: "${{ inputs.product }} ${{ ☞steps.x.y }}"\n',
    ),
    "mistake in a block text": (
        "unknown-input",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL
        + "outputs:\n  a: |\n    One line\n    ${{ inputs.product }} और ${{ ☞inputs.x }}\n",
    ),
    "unknown name": ("unknown-name", HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞still }}\n"),
    "all steps": (
        "unnamed-step",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ☞${{ steps | json }}\n",
    ),
    "matrix outside": (
        "out-of-scope",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞matrix.style }}\n",
    ),
    "item outside": ("out-of-scope", HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞item }}\n"),
    "unknown axis": (
        "unknown-variable",
        HEAD + "steps:\n" + STILLS.replace("matrix.style", "☞matrix.stile"),
    ),
    "asset in text": (
        "not-text",
        HEAD + "steps:\n" + STILL + 'outputs:\n  a: "see ☞${{ steps.still.asset }}"\n',
    ),
    "list in text": (
        "not-text",
        HEAD + INPUTS + "steps:\n" + STILL + 'outputs:\n  a: "see ☞${{ inputs.styles }}"\n',
    ),
    "asset as a prompt": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: generate\n"
        + "    with: {model: z-image, prompt: ☞'${{ steps.still.asset }}'}\n",
    ),
    "items as references": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: generate\n"
        + "    with: {model: nano-banana-2, prompt: x, references: ☞'${{ steps.stills.items }}'}\n",
    ),
    "braces without a dollar": (
        "missing-dollar",
        HEAD + INPUTS + "steps:\n" + STILL.replace("a lamp", "☞'a {{ inputs.product }}'"),
    ),
    "condition that is text": (
        "bad-condition",
        HEAD + INPUTS + "steps:\n" + STILL + "    if: ☞inputs.product == 'lamp'\n",
    ),
    # order
    "needs an unknown step": (
        "unknown-step",
        HEAD + "steps:\n" + SCRIPT + STILL + "    needs: [☞scrip]\n",
    ),
    "refers to itself": (
        "cycle",
        HEAD
        + "steps:\n  ☞a:\n    uses: generate\n"
        + "    with: {model: z-image, prompt: '${{ steps.a.status }}'}\n",
    ),
    "cycle of two": (
        "cycle",
        HEAD
        + "steps:\n  ☞a:\n    uses: compose\n    with: {video: '${{ steps.b.asset }}'}\n"
        + "  b:\n    uses: compose\n    with: {video: '${{ steps.a.asset }}'}\n",
    ),
    "cycle by needs": (
        "cycle",
        HEAD
        + "steps:\n"
        + STILL.replace("still", "☞still", 1)
        + "    needs: [b]\n  b:\n    uses: compose\n    with: {video: '${{ steps.still.asset }}'}\n",
    ),
    # fan-out
    "axis is text": ("wrong-type", HEAD + "steps:\n" + STILLS.replace("[neon, noir]", "☞neon")),
    "axis is no list": (
        "wrong-type",
        HEAD + INPUTS + "steps:\n" + STILLS.replace("[neon, noir]", "☞'${{ inputs.product }}'"),
    ),
    "axis is empty": ("empty-list", HEAD + "steps:\n" + STILLS.replace("[neon, noir]", "☞[]")),
    "exclude of no axis": (
        "unknown-variable",
        HEAD + "steps:\n" + STILLS.replace("noir]", "noir], exclude: [{☞stile: x}]"),
    ),
    "two fan-outs": ("two-loops", HEAD + "steps:\n" + STILLS + "    ☞foreach: [1, 2]\n"),
    "zip of unequal lists": (
        "unequal-lists",
        HEAD + "steps:\n" + STILL + "    zip: ☞{a: [1, 2], b: [1]}\n",
    ),
    "as without foreach": ("needless-key", HEAD + "steps:\n" + STILL + "    ☞as: shot\n"),
    "allow_failures of one": (
        "needless-key",
        HEAD + "steps:\n" + STILL + "    ☞allow_failures: 1\n",
    ),
    "loop variable with a meaning": (
        "bad-name",
        HEAD + "steps:\n" + STILL + "    foreach: [1]\n    as: ☞inputs\n",
    ),
    # arguments
    "unknown answer type": (
        "bad-expect",
        HEAD + "steps:\n" + SCRIPT.replace("visual: string", "visual: ☞text"),
    ),
    "reasoning effort": (
        "wrong-choice",
        HEAD + "steps:\n" + SCRIPT.replace("message", "reasoning_effort: ☞huge, message"),
    ),
    "composition of nothing": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  b:\n    uses: compose\n    ☞with: {loudness: -14}\n",
    ),
    "composition without arguments": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  ☞b:\n    uses: compose\n",
    ),
    "composition of no video": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  b:\n    uses: compose\n    with: {video: ☞[]}\n",
    ),
    "composition of no images": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  b:\n    uses: compose\n    with: {images: ☞[]}\n",
    ),
    "pick mode": (
        "wrong-choice",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: pick\n    with: {from: '${{ steps.stills.items }}', mode: ☞best}\n",
    ),
    "question without a human": (
        "needless-key",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: pick\n    with: {from: '${{ steps.stills.items }}', ☞question: Which?}\n",
    ),
    "reference that is empty": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILL.replace("z-image", "nano-banana-2").replace(
            "lamp", "lamp, references: [a.png, ☞null]"
        ),
    ),
    "prompt as a number": ("wrong-type", HEAD + "steps:\n" + STILL.replace("a lamp", "☞5")),
    # the catalogue
    "unknown model": ("unknown-model", HEAD + "steps:\n" + STILL.replace("z-image", "☞z-imag")),
    "chat model for a picture": (
        "wrong-route",
        HEAD + "steps:\n" + STILL.replace("z-image", "☞gemini-2-5-flash-chat"),
    ),
    "picture model for a chat": (
        "wrong-route",
        HEAD + "steps:\n" + SCRIPT.replace("gemini-2-5-flash-chat", "☞z-image"),
    ),
    "unknown parameter": (
        "unknown-param",
        HEAD + "steps:\n" + STILL.replace("lamp", "lamp, params: {☞aspectRatio: 9:16}"),
    ),
    "wrong option": (
        "bad-option",
        HEAD + "steps:\n" + STILL.replace("lamp", "lamp, params: {aspect_ratio: ☞9:17}"),
    ),
    "wrong option in a matrix": (
        "bad-option",
        HEAD
        + "steps:\n"
        + STILLS.replace(
            'style }}"', "style }}\", params: {aspect_ratio: ☞'${{ matrix.style }}'}"
        ).replace("[neon, noir]", "['1:1', '7:7']"),
    ),
    "wrong option in an enum": (
        "bad-option",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL.replace("lamp", "lamp, params: {aspect_ratio: ☞'${{ inputs.ratio }}'}"),
    ),
    "no prompt": (
        "missing-prompt",
        HEAD + "steps:\n" + STILL.replace("with", "☞with").replace(", prompt: a lamp", ""),
    ),
    "long prompt": (
        "prompt-too-long",
        HEAD + "steps:\n" + STILL.replace("a lamp", "☞" + "lamp " * 250),
    ),
    "long text around an expression": (
        "prompt-too-long",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL.replace("a lamp", "☞'" + "lamp " * 250 + "${{ inputs.product }}'"),
    ),
    "required parameter": (
        "missing-param",
        HEAD
        + "steps:\n  a:\n    uses: generate\n"
        + "    ☞with: {model: elevenlabs-turbo-2-5, prompt: Hello}\n",
    ),
    "references refused": (
        "references-refused",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: generate\n"
        + "    with: {model: z-image, prompt: x, references: ☞['${{ steps.still.asset }}']}\n",
    ),
    "too many references": (
        "too-many-references",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: generate\n    with: {model: veo3-1-lite, prompt: x, references: ☞["
        + ", ".join(["'${{ steps.still.asset }}'"] * 3)
        + "]}\n",
    ),
    "attachment for a chat that reads": (
        "chat-cannot",
        HEAD
        + INPUTS
        + "steps:\n  s:\n    uses: chat\n    with: {model: claude-sonnet-4-6-chat, message: Hi, "
        + "attachments: ☞['${{ inputs.photo }}']}\n",
    ),
    # inputs
    "input without a type": ("missing-key", HEAD + "inputs:\n  ☞a: {default: x}\nsteps:\n" + STILL),
    "unknown input type": (
        "wrong-choice",
        HEAD + "inputs:\n  a: {type: ☞str}\nsteps:\n" + STILL,
    ),
    "default of another type": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: integer, default: ☞'5'}\nsteps:\n" + STILL,
    ),
    "default out of range": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: integer, default: ☞9, max: 5}\nsteps:\n" + STILL,
    ),
    "default outside the enum": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: enum, values: [x, y], default: ☞z}\nsteps:\n" + STILL,
    ),
    "default that is no file": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: file, default: ☞5}\nsteps:\n" + STILL,
    ),
    "enum without values": ("bad-input", HEAD + "inputs:\n  ☞a: {type: enum}\nsteps:\n" + STILL),
    "values without enum": (
        "bad-input",
        HEAD + "inputs:\n  a: {type: text, ☞values: [x]}\nsteps:\n" + STILL,
    ),
    "pattern that cannot be read": (
        "bad-input",
        HEAD + "inputs:\n  a: {type: string, ☞pattern: '('}\nsteps:\n" + STILL,
    ),
    "no as yes or no": (
        "wrong-type",
        HEAD + "inputs:\n  a: {type: text, required: ☞no}\nsteps:\n" + STILL,
    ),
    "secret that is given": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: secret, default: ☞hunter2}\nsteps:\n" + STILL,
    ),
    # deployments
    "deploy of an unknown input": (
        "unknown-input",
        HEAD + "steps:\n" + STILL + "deploy:\n  - name: a\n    inputs: {☞b: 1}\n",
    ),
    "deploy with a path": (
        "wrong-input",
        HEAD + INPUTS + "steps:\n" + STILL + "deploy:\n  - name: a\n    inputs: {photo: ☞a.jpg}\n",
    ),
    "schedule without an input": (
        "missing-input",
        HEAD
        + "inputs:\n  a: {type: text}\nsteps:\n"
        + STILL
        + "deploy:\n  - ☞name: a\n    schedules: [{cron: 0 9 * * 1}]\n",
    ),
    "cron of four fields": (
        "bad-schedule",
        HEAD + "steps:\n" + STILL + "deploy:\n  - {name: a, schedules: [{cron: ☞0 9 * *}]}\n",
    ),
    "two kinds of schedule": (
        "bad-schedule",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - {name: a, schedules: [☞{cron: 0 9 * * 1, interval: 5m}]}\n",
    ),
    "unknown time zone": (
        "bad-schedule",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - {name: a, schedules: [{cron: 0 9 * * 1, timezone: ☞Asia/Kolkatta}]}\n",
    ),
    "model that is empty": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: generate\n    with: {☞model: null, prompt: x}\n",
    ),
    "empty list of a pick": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: pick\n    with:\n      ☞from:\n",
    ),
    # notify
    "notify without an address": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: notify\n    ☞with: {body: 1}\n",
    ),
    "address that is none": (
        "bad-address",
        HEAD + "steps:\n  a:\n    uses: notify\n    with: {url: ☞hooks.example}\n",
    ),
    "secret of notify that is given": (
        "bad-secret",
        HEAD + "steps:\n  a:\n    uses: notify\n    with: {url: https://a.b, secret: ☞whsec_1}\n",
    ),
    "list as an address": (
        "wrong-type",
        HEAD
        + INPUTS
        + "steps:\n  a:\n    uses: notify\n    with:\n      url: ☞${{ inputs.styles }}\n",
    ),
    "output that notify lacks": (
        "unknown-field",
        HEAD
        + "steps:\n  a:\n    uses: notify\n    with: {url: https://a.b}\n"
        + "outputs:\n  a: ${{ ☞steps.a.asset }}\n",
    ),
    # what runs at the end
    "on_failure as a list": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "on_failure:\n  ☞- uses: chat\n",
    ),
    "unknown key in finally": (
        "unknown-key",
        HEAD
        + "steps:\n"
        + STILL
        + "finally:\n"
        + STILL.replace("still", "last")
        + "    ☞tilte: x\n",
    ),
    "unknown model in on_failure": (
        "unknown-model",
        HEAD
        + "steps:\n"
        + STILL
        + "on_failure:\n"
        + STILL.replace("still", "last").replace("z-image", "☞z-imag"),
    ),
    "name of a step twice": (
        "duplicate-name",
        HEAD + "steps:\n" + STILL + "finally:\n" + STILL.replace("still", "☞still"),
    ),
    "bad name in finally": (
        "bad-name",
        HEAD + "steps:\n" + STILL + "finally:\n" + STILL.replace("still", "☞Last"),
    ),
    "step that refers to a later part": (
        "out-of-scope",
        HEAD
        + "steps:\n"
        + STILL.replace("a lamp", "'${{ ☞steps.last.status }}'")
        + "finally:\n"
        + STILL.replace("still", "last"),
    ),
    "step that needs one of a later part": (
        "out-of-scope",
        HEAD
        + "steps:\n"
        + STILL
        + "on_failure:\n"
        + STILL.replace("still", "other")
        + "    needs: [☞last]\n"
        + "finally:\n"
        + STILL.replace("still", "last"),
    ),
    "cycle in finally": (
        "cycle",
        HEAD
        + "steps:\n"
        + STILL
        + "finally:\n"
        + STILL.replace("still", "☞last").replace("a lamp", "'${{ steps.last.status }}'"),
    ),
    "expression in a title of finally": (
        "expression-not-allowed",
        HEAD
        + "steps:\n"
        + STILL
        + "finally:\n"
        + STILL.replace("still", "last")
        + "    title: ☞${{ x }}\n",
    ),
    "two deployments of one name": (
        "duplicate-name",
        HEAD + "steps:\n" + STILL + "deploy: [{name: a}, {name: ☞a}]\n",
    ),
}


@pytest.mark.parametrize(("code", "marked"), WRONG.values(), ids=WRONG.keys())
def test_wrong_spec_has_one_problem_at_its_place(code: str, marked: str) -> None:
    before, _, after = marked.partition("☞")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = problems_of(before + after)
    assert [(p.line, p.column, p.code) for p in found] == [(line, column, code)], "\n".join(
        map(str, found)
    )
    assert found[0].message[0].islower() or not found[0].message[0].isalpha()


def test_all_problems_come_in_one_pass_and_in_the_order_of_the_file() -> None:
    text = (
        HEAD.replace("test", "Test")
        + "titel: x\nsteps:\n"
        + STILL.replace("z-image", "zz")
        + ("outputs: {a: '${{ steps.x.y }}'}\n")
    )
    found = problems_of(text)
    assert [(p.line, p.code) for p in found] == [
        (2, "bad-name"),
        (3, "unknown-key"),
        (7, "unknown-model"),
        (8, "unknown-step"),
    ]


def test_problem_is_shown_with_line_caret_and_hint() -> None:
    with pytest.raises(SpecError) as caught:
        load(HEAD + "titel: x\nsteps:\n" + STILL, file="a.yaml", catalogue=shipped())
    assert str(caught.value) == (
        "a.yaml:3:1: unknown key 'titel' [unknown-key]\n"
        "  titel: x\n  ^\n  hint: did you mean 'title'?"
    )


def test_hints_name_what_was_meant() -> None:
    hints = {
        "unknown model": "did you mean 'z-image'?",
        "asset of a fan-out": "the step has several items: use .items, .by['KEY'].asset, or .assets",
        "unknown uses": "did you mean 'generate'?",
        "uses of a later version": "there are: upload, chat, generate, pick, compose, notify, include",
        "condition that is text": "write \"${{ inputs.product == 'lamp' }}\"",
        "no as yes or no": "write true or false",
    }
    for name, hint in hints.items():
        assert hint in str(problems_of(WRONG[name][1].replace("☞", ""))[0].hint)


def test_a_mistake_in_defaults_is_told_once() -> None:
    text = HEAD + "defaults: {generate: {timeout: x}}\nsteps:\n" + STILL
    text += STILL.replace("still:", "other:")
    assert len(problems_of(text)) == 1


def test_files_that_a_spec_names_must_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "outside.png").write_bytes(b"x")
    (tmp_path / "specs" / "empty.png").write_bytes(b"")
    (tmp_path / "specs" / "inside.png").write_bytes(b"x")
    step = (
        "  b:\n    uses: generate\n    with: {model: nano-banana-2, prompt: x, references: [%s]}\n"
    )
    for name, says in {
        "inside.png": "",
        "../outside.png": "lies outside the folder",
        "missing.png": "there is no file",
        "empty.png": "is empty",
        "inside.txt": "there is no file",
        "https://example.com/a.png": "",
    }.items():
        found = problems_of(HEAD + "steps:\n" + step % name, tmp_path / "specs")
        assert [says in problem.message for problem in found] == ([True] if says else [])


def test_very_many_problems_are_cut_off() -> None:
    text = HEAD + "".join(f"k{n}: 1\n" for n in range(20_000)) + "steps:\n" + STILL
    found = problems_of(text)
    assert len(found) == 101
    assert found[-1].code == "too-many-problems"
