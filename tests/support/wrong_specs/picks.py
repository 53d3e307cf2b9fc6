"""Wrong specs: picks."""

from __future__ import annotations

from support.wrong_specs.arguments import ANSWERS
from support.wrong_specs.pieces import HEAD, SCRIPT, STILL, STILLS

_LINES = """\
  lines:
    uses: chat
    foreach: [calm, bold]
    with: {model: gpt-5-2-chat, message: Hi, expect: {score: number, why: string}}
"""
_JUDGE = "judge: {model: gemini-2-5-flash-chat, criteria: [whole]}"
_ITEMS = "from: '${{ steps.stills.items }}'"


def _pick(arguments: str, steps: str = STILLS, more: str = "") -> str:
    """A spec with a `pick` of these arguments; `more` are keys beside `with`."""
    return f"{HEAD}steps:\n{steps}  b:\n    uses: pick\n    with: {{{arguments}}}\n{more}"


def _of(keys: str) -> str:
    return _pick(f"{_ITEMS}, {keys}")


_NUMBER = (
    "name a number, such as item.json.score; `| int` makes one of a text, `1 if … else 0` of"
    " a condition"
)

PICKS = {
    "pick by vote": ("wrong-choice", _of("mode: ☞vote"), "did you mean 'judge'?"),
    "order of a database": (
        "wrong-choice",
        _of("mode: best, by: '${{ 1 }}', order: ☞desc"),
        "did you mean 'max'?",
    ),
    "on_none retry": (
        "wrong-choice",
        _of(f"mode: judge, {_JUDGE}, on_none: ☞retry"),
        "did you mean 'regenerate'?",
    ),
    "rounds by another name": (
        "unknown-key",
        _of("mode: human, none: {☞max_rounds: 2}"),
        "did you mean 'rounds'? there are: rounds",
    ),
    "least by another name": (
        "unknown-key",
        _of("mode: judge, judge: {model: gpt-5-2-chat, criteria: [a], ☞threshold: 5}"),
        "did you mean 'least'? there are: model, criteria, least",
    ),
    "none as a number": ("wrong-type", _of("mode: human, none: ☞2"), "write `none: {rounds: 1}`"),
    "judge as a model": (
        "wrong-type",
        _of("mode: judge, judge: ☞gpt-5-2-chat"),
        "write `judge: {model: gemini-2-5-flash-chat, criteria: [the product is whole]}`",
    ),
    "rounds without end": (
        "out-of-range",
        _of("mode: human, none: {rounds: ☞50}"),
        "write at most 5",
    ),
    "by without best": (
        "needless-key",
        _of("mode: human, ☞by: '${{ item.credits }}'"),
        "write `mode: best`, or remove it",
    ),
    "order without best": ("needless-key", _of("☞order: min"), "write `mode: best`, or remove it"),
    "judge with first": ("needless-key", _of(f"☞{_JUDGE}"), "write `mode: judge`, or remove it"),
    "none with a judge": (
        "needless-key",
        _of(f"mode: judge, {_JUDGE}, ☞none: {{rounds: 1}}"),
        "write `mode: human`, or remove it",
    ),
    "none with first, of a list": (
        "needless-key",
        _pick("from: ['${{ steps.still }}'], ☞none: {}", STILL),
        "write `mode: human`, or remove it",
    ),
    "sign with best": (
        "needless-key",
        _of("mode: best, by: '${{ item.credits }}', ☞sign: true"),
        "write `mode: human`, or remove it",
    ),
    "on_none of a proposal": (
        "needless-key",
        _of(f"mode: human, {_JUDGE}, ☞on_none: regenerate"),
        "write `none:` for the person, `on_timeout: judge`, or remove it",
    ),
    "on_none of a person": (
        "needless-key",
        _of("mode: human, ☞on_none: regenerate"),
        "write `none:` for the person, `on_timeout: judge`, or remove it",
    ),
    "one item alone": (
        "wrong-type",
        _pick("from: ☞'${{ steps.stills.items[0] }}'"),
        "write [ ] around it, or use .items of a step with several items",
    ),
    "axis that hides the answers": (
        "wrong-type",
        _pick(
            "from: ☞'${{ steps.lines.items }}'",
            _LINES.replace("foreach: [calm, bold]", "matrix: {asset: [calm, bold]}"),
        ),
        "give the axis or the variable `asset` of that step another name",
    ),
    "best of nothing": (
        "missing-key",
        _of("☞mode: best"),
        'add `by: "${{ item.json.score }}"`, a number for each candidate',
    ),
    "judge that is missing": (
        "missing-key",
        _of("☞mode: judge"),
        "add `judge: {model: gemini-2-5-flash-chat, criteria: [the product is whole]}`",
    ),
    "judge that is missing at the deadline": (
        "missing-key",
        _of("mode: human, timeout: 1h, ☞on_timeout: judge"),
        "add `judge: {model: gemini-2-5-flash-chat, criteria: [the product is whole]}`",
    ),
    "judge without criteria": (
        "missing-key",
        _of("mode: judge, ☞judge: {model: gpt-5-2-chat}"),
        "add `criteria: [the product is whole]`",
    ),
    "judge without a model": (
        "missing-key",
        _of("mode: judge, ☞judge: {criteria: [a]}"),
        "add `model: gemini-2-5-flash-chat`",
    ),
    "no criteria": (
        "empty-list",
        _of("mode: judge, judge: {model: gpt-5-2-chat, criteria: ☞[]}"),
        "add an item",
    ),
    "empty criterion": (
        "out-of-range",
        _of("mode: judge, judge: {model: gpt-5-2-chat, criteria: [☞'']}"),
        "write at least 1",
    ),
    "long criterion": (
        "out-of-range",
        _of("mode: judge, judge: {model: gpt-5-2-chat, criteria: [a, ☞" + "x" * 301 + "]}"),
        "write at most 300",
    ),
    "criterion as a number": (
        "wrong-type",
        _of("mode: judge, judge: {model: gpt-5-2-chat, criteria: [☞5]}"),
        "put it in quotes",
    ),
    "by as a number, of a person": (
        "needless-key",
        _of("mode: human, ☞by: 5"),
        "write `mode: best`, or remove it",
    ),
    "by as a name": (
        "wrong-type",
        _of("mode: best, by: ☞item.credits"),
        'write "${{ item.credits }}"',
    ),
    "by as a number": ("wrong-type", _of("mode: best, by: ☞5"), 'write "${{ item.json.score }}"'),
    "by of a text": (
        "wrong-type",
        _pick("from: '${{ steps.lines.items }}', mode: best, by: ☞'${{ item.json.why }}'", _LINES),
        _NUMBER,
    ),
    "by of a condition": (
        "wrong-type",
        _of("mode: best, by: ☞\"${{ item.style == 'neon' }}\""),
        _NUMBER,
    ),
    "by of a picture": ("wrong-type", _of("mode: best, by: ☞'${{ item.asset }}'"), _NUMBER),
    "by of a field that is inside json": (
        "unknown-field",
        _pick("from: '${{ steps.lines.items }}', mode: best, by: '${{ ☞item.score }}'", _LINES),
        "write .json.score",
    ),
    "by of a loop variable": (
        "unknown-field",
        _pick(
            f"{_ITEMS}, mode: best, by: '${{{{ ☞item.words }}}}'",
            more="    foreach: [{words: a}, {words: b}]\n",
        ),
        "there are: key, style, status, credits, asset, assets, task_id",
    ),
    "more than there are": ("wrong-candidates", _of("count: ☞3"), "write at most 2"),
    "more than a list has": (
        "wrong-candidates",
        _pick("from: ['${{ steps.still }}'], count: ☞2", STILL),
        "write at most 1",
    ),
    "none of a list": (
        "wrong-candidates",
        _pick("from: ['${{ steps.still }}'], mode: human, none: ☞{rounds: 1}", STILL),
        'write from: "${{ steps.NAME.items }}", with a step that has matrix, foreach or zip',
    ),
    "none of texts": (
        "wrong-candidates",
        _pick("from: '${{ steps.lines.items }}', mode: human, none: ☞{rounds: 1}", _LINES),
        'write from: "${{ steps.NAME.items }}", with a step that has matrix, foreach or zip',
    ),
    "none without a prompt": (
        "wrong-candidates",
        _pick(
            "from: '${{ steps.a.items }}', mode: human, none: ☞{}",
            "  a:\n    uses: generate\n    foreach: [1, 2]\n    with: {model: elevenlabs-dialogue-v3, "
            "params: {dialogue: [{text: Hi}]}}\n",
        ),
        "add `prompt:` to that step, or remove this",
    ),
    "none of a fan-out": (
        "wrong-candidates",
        _pick(f"{_ITEMS}, mode: human, none: ☞{{}}", more="    foreach: [a, b]\n"),
        "remove `foreach`, or remove 'none'",
    ),
    "on_none of one picture": (
        "wrong-candidates",
        _pick(
            f"from: ['${{{{ steps.still }}}}'], mode: judge, {_JUDGE}, on_none: ☞regenerate", STILL
        ),
        'write from: "${{ steps.NAME.items }}", with a step that has matrix, foreach or zip',
    ),
    "judge of films": (
        "wrong-candidates",
        _pick(
            "from: '${{ steps.stills.items }}', mode: judge, "
            "judge: ☞{model: gpt-5-2-chat, criteria: [a]}",
            STILLS.replace("z-image", "veo3-1-lite"),
        ),
        "judge the stills that they are made from, or let a person pick without `judge`",
    ),
    "judge of a film among stills": (
        "wrong-candidates",
        _pick(
            "from: ['${{ steps.film }}', '${{ steps.still }}'], mode: judge, "
            "judge: ☞{model: gpt-5-2-chat, criteria: [a]}",
            STILL + STILL.replace("still", "film").replace("z-image", "veo3-1-lite"),
        ),
        "judge the stills that they are made from, or let a person pick without `judge`",
    ),
    "judge that sees nothing": (
        "chat-cannot",
        _of("mode: judge, judge: {model: ☞claude-sonnet-4-6-chat, criteria: [a]}"),
        "pick another model",
    ),
    "judge that paints": (
        "wrong-route",
        _of("mode: judge, judge: {model: ☞z-image, criteria: [a]}"),
        "name a chat model: `rivya-flows models`",
    ),
    "judge that nobody knows": (
        "unknown-model",
        _of("mode: judge, judge: {model: ☞gpt-5-2-cha, criteria: [a]}"),
        "did you mean 'gpt-5-2-chat'?",
    ),
    "criterion of a picture": (
        "wrong-type",
        _of(
            "mode: judge, judge: {model: gpt-5-2-chat, "
            "criteria: [☞'${{ steps.stills.items[0].asset }}']}"
        ),
        "name one of its fields, such as .url",
    ),
    "criterion of an unknown step": (
        "unknown-step",
        _of("mode: judge, judge: {model: gpt-5-2-chat, criteria: ['${{ ☞steps.x.text }}']}"),
        "there are: stills, b",
    ),
    "list of several types": (
        "bad-expect",
        HEAD + "steps:\n" + SCRIPT.replace("tags: [string]", "tags: ☞[string, {a: string}]"),
        ANSWERS,
    ),
    "type in a list of maps": (
        "bad-expect",
        HEAD + "steps:\n" + SCRIPT.replace("tags: [string]", "tags: [{a: ☞text}]"),
        ANSWERS,
    ),
}
"""Picks that are not valid."""
