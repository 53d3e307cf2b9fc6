"""Wrong specs: what a request falls back to."""

from __future__ import annotations

from support.wrong_specs.pieces import HEAD, SCRIPT, STILL, STILLS


def _falls_back(written: str, still: str = STILL) -> str:
    return f"{HEAD}steps:\n{still}    fallback: {written}\n"


_WIDE = STILL.replace("lamp}", 'lamp, params: {aspect_ratio: "9:16"}}')

FALLBACKS = {
    "fallbacks": (
        "unknown-key",
        f"{HEAD}steps:\n{STILL}    ☞backup: [{{model: seedream-5-lite}}]\n",
        "did you mean 'fallback'? there are: uses, with, title, matrix, foreach, as, zip, key, "
        "max_items, if, needs, allow_failures, retry, regenerate, fallback, timeout, "
        "max_parallel, cache",
    ),
    "fallback of a chat": (
        "needless-key",
        f"{HEAD}steps:\n{SCRIPT}    ☞fallback: [{{model: gpt-5-2-chat}}]\n",
        "remove it",
    ),
    "fallback that is no list": (
        "wrong-type",
        _falls_back("☞{model: seedream-5-lite}"),
        "write [ ] around it, or `- ` before its first line",
    ),
    "fallback that is the id of a model": (
        "wrong-type",
        _falls_back("☞seedream-5-lite"),
        "write [{model: seedream-5-lite}]",
    ),
    "fallback that is a model": (
        "wrong-type",
        _falls_back("[☞seedream-5-lite]"),
        "write {model: …}, or what else is different",
    ),
    "fallback to nothing": (
        "missing-key",
        _falls_back("[☞{}]"),
        "write what is different, such as {model: seedream-5-lite}, or remove it",
    ),
    "fallbacks without end": (
        "out-of-range",
        _falls_back(
            "☞[{prompt: a}, {prompt: b}, {prompt: c}, {prompt: d}, {prompt: e}, {prompt: f}]"
        ),
        "write at most 5",
    ),
    "fallback with a key of its step": (
        "unknown-key",
        _falls_back("[{model: seedream-5-lite, ☞regenerate: 2}]"),
        "there are: model, prompt, params, references, brand",
    ),
    "fallback to an unknown model": (
        "unknown-model",
        _falls_back("[{model: ☞seedream-5-lit}]"),
        "did you mean 'seedream-5-lite'?",
    ),
    "fallback to a film": (
        "wrong-fallback",
        _falls_back("[{model: ☞veo3-1-lite}]"),
        "pick a model that makes an image",
    ),
    "fallback to a chat": (
        "wrong-route",
        _falls_back("[{model: ☞gpt-5-2-chat}]"),
        "write `uses: chat`",
    ),
    "fallback with the parameters of another model": (
        "unknown-param",
        _falls_back("[{model: ☞seedream-5-lite}]", _WIDE),
        "write `params:` in the fallback: without it, that of `with` is taken",
    ),
    "fallback with an unknown parameter": (
        "unknown-param",
        _falls_back("[{model: seedream-5-lite, params: {☞aspect_ratio: '9:16'}}]", _WIDE),
        "did you mean 'aspectRatio'? 'seedream-5-lite' takes aspectRatio, quality",
    ),
    "fallback with a wrong option": (
        "bad-option",
        _falls_back("[{params: {aspect_ratio: ☞9:17}}]"),
        "did you mean '9:16'? one of 1:1, 4:3, 3:4, 16:9, 9:16",
    ),
    "fallback whose prompt is too long": (
        "prompt-too-long",
        _falls_back("[{prompt: ☞" + "x" * 1001 + "}]"),
        "shorten it, or pick another model",
    ),
    "fallback for which the prompt is too long": (
        "prompt-too-long",
        _falls_back("[{model: ☞qwen2-image}]", STILL.replace("a lamp", "x" * 900)),
        "write `prompt:` in the fallback: without it, that of `with` is taken",
    ),
    "fallback that takes no references": (
        "references-refused",
        _falls_back(
            "[{model: ☞z-image}]",
            STILL.replace("z-image", "nano-banana-2").replace(
                "a lamp", "a lamp, references: ['https://a.b/c.png']"
            ),
        ),
        "write `references:` in the fallback: without it, that of `with` is taken",
    ),
    "fallback to a number": ("wrong-type", _falls_back("[{prompt: ☞5}]"), "put it in quotes"),
    "fallback to a picture as a prompt": (
        "wrong-type",
        f"{HEAD}steps:\n{STILLS}{STILL}    fallback: [{{prompt: ☞'${{{{ steps.stills.assets }}}}'}}]\n",
        "write `| join(', ')`, or pick one item with [0]",
    ),
    "fallback to an unknown input": (
        "unknown-input",
        _falls_back("[{prompt: '${{ ☞inputs.word }}'}]"),
        "the spec has no inputs",
    ),
    "fallback to a name without braces": (
        "missing-dollar",
        f"{HEAD}steps:\n{SCRIPT}{STILL}    fallback: [{{prompt: ☞steps.script.text}}]\n",
        "write ${{ steps.script.text }}",
    ),
    "fallback on what a backup cannot read": (
        "useless-condition",
        HEAD
        + "steps:\n"
        + STILL.replace("still", "film")
        + "  backup:\n    uses: generate\n    if: ${{ ☞steps.film.status == 'failed' }}\n"
        + "    with: {model: z-image, prompt: a}\n"
        + "    fallback: [{prompt: 'like ${{ steps.film.task_id }}'}]\n",
        "read nothing of 'film' but its status, or move the step to `on_failure`",
    ),
    "fallback to itself": (
        "cycle",
        f"{HEAD}steps:\n{STILL.replace('  still', '  ☞still')}"
        "    fallback: [{prompt: '${{ steps.still.task_id }}'}]\n",
        "remove that reference",
    ),
}
"""Alternatives that are not valid."""
