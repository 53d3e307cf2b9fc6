"""Wrong specs: the file, its keys, and the types of their values."""

from __future__ import annotations

from support.wrong_specs.pieces import HEAD, INPUTS, STILL

DOCUMENT = {
    "empty file": ("not-a-spec", "☞", "start with `version: 1`"),
    "a list": ("not-a-spec", "☞- a\n", "start with `version: 1`"),
    "a word": ("not-a-spec", "☞hello\n", "start with `version: 1`"),
    "no version": ("missing-key", "☞name: test\nsteps:\n" + STILL, "start with `version: 1`"),
    "another version": (
        "wrong-version",
        "version: ☞2\nname: test\nsteps:\n" + STILL,
        "write `version: 1`",
    ),
    "version as text": (
        "wrong-version",
        "version: ☞'1'\nname: test\nsteps:\n" + STILL,
        "write `version: 1`",
    ),
    "version true": (
        "wrong-version",
        "version: ☞true\nname: test\nsteps:\n" + STILL,
        "write `version: 1`",
    ),
    "version that is a list": (
        "wrong-version",
        "version: ☞[1]\nname: test\nsteps:\n" + STILL,
        "write `version: 1`",
    ),
    "name that is empty": (
        "missing-key",
        "version: 1\n☞name:\nsteps:\n" + STILL,
        "write text after `name:`",
    ),
    "no name": ("missing-key", "☞version: 1\nsteps:\n" + STILL, "add `name: my-campaign`"),
    "name with a space": (
        "bad-name",
        "version: 1\nname: ☞My film\nsteps:\n" + STILL,
        "write my-film; at most 64 characters: lowercase letters, digits and _ or -, starting with a letter",
    ),
    "name as number": ("wrong-type", "version: 1\nname: ☞5\nsteps:\n" + STILL, "put it in quotes"),
    "label with a capital": (
        "bad-name",
        HEAD + "labels: {☞Client: acme}\nsteps:\n" + STILL,
        "write client; at most 32 characters: lowercase letters, digits and _ or -, starting with a letter",
    ),
    "label as number": (
        "wrong-type",
        HEAD + "labels: {client: ☞5}\nsteps:\n" + STILL,
        "put it in quotes",
    ),
    "labels as text": (
        "wrong-type",
        HEAD + "labels: ☞acme\nsteps:\n" + STILL,
        "write `labels: {client: acme}`",
    ),
    "empty label": (
        "wrong-value",
        HEAD + "labels: {client: ☞' '}\nsteps:\n" + STILL,
        "write one line of 1 to 64 printable characters",
    ),
    "label of a step": (
        "out-of-scope",
        HEAD + "labels:\n  client: ${{ ☞steps.still.url }}\nsteps:\n" + STILL,
        "a label may use inputs alone",
    ),
    "label of a file": (
        "wrong-type",
        HEAD + "labels:\n  client: ☞${{ inputs.photo }}\n" + INPUTS + "steps:\n" + STILL,
        "name one of its fields, such as .url",
    ),
    "label of a secret": (
        "bad-secret",
        HEAD
        + "labels:\n  client: ☞hook ${{ inputs.hook }}\ninputs:\n  hook: {type: secret}\nsteps:\n"
        + STILL,
        "use another input, or write a text",
    ),
    "no steps": ("missing-key", "☞" + HEAD, "add `steps:` with one step below it"),
    "empty steps": ("missing-key", HEAD + "☞steps: {}\n", "add `steps:` with one step below it"),
    "steps as a list": (
        "wrong-type",
        HEAD + "steps:\n  ☞- uses: chat\n",
        "write `NAME:` and its keys below it, without a dash",
    ),
    "unknown top key": (
        "unknown-key",
        HEAD + "☞step: 1\nsteps:\n" + STILL,
        "did you mean 'steps'?",
    ),
    "unknown step key": (
        "unknown-key",
        HEAD + "steps:\n" + STILL + "    ☞matrx: {a: [1]}\n",
        "did you mean 'matrix'?",
    ),
    "step with an id": (
        "unknown-key",
        HEAD + "steps:\n" + STILL + "    ☞id: a\n",
        "there are: uses, with, title, matrix, foreach, as, zip, key, max_items, if, needs, allow_failures, retry, regenerate, fallback, timeout, max_parallel, cache",
    ),
    "argument beside with": (
        "unknown-key",
        HEAD + "steps:\n" + STILL + "    ☞prompt: a chair\n",
        "write it below `with:`",
    ),
    "arguments that are not indented": (
        "unknown-key",
        HEAD + "steps:\n" + STILL + "☞with: {prompt: a chair}\n",
        "indent it: it belongs to a step below `steps:`",
    ),
    "step that is not indented": (
        "unknown-key",
        HEAD + "steps:\n" + STILL + "☞film: {uses: upload}\n",
        "indent it: it is a step and belongs below `steps:`",
    ),
    "budget that is empty": (
        "wrong-type",
        HEAD + "budget:☞\nsteps:\n" + STILL,
        "write `budget: {credits: 60}`",
    ),
    "group that is empty": (
        "wrong-type",
        HEAD + "concurrency: ☞null\nsteps:\n" + STILL,
        "write `key: value` lines below it",
    ),
    "chat without with": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  ☞words: {uses: chat}\n",
        "add `with: {model: gemini-2-5-flash-chat}`",
    ),
    "chat without a model": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  words: {uses: chat, ☞with: {message: Hi}}\n",
        "add `model: gemini-2-5-flash-chat`",
    ),
    "need that is nothing": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "  b: {uses: pick, needs: [☞null], with: {from: []}}\n",
        "put it in quotes, or remove it",
    ),
    "kind of an upload": (
        "wrong-choice",
        HEAD + "steps:\n  a:\n    uses: upload\n"
        "    with: {file: 'https://example.com/a.png', kind: ☞picture}\n",
        "there are: image, video, audio",
    ),
    "budget as a number": (
        "wrong-type",
        HEAD + "budget: ☞30\nsteps:\n" + STILL,
        "write `budget: {credits: 30}`",
    ),
    "budget as words": (
        "wrong-type",
        HEAD + "budget: ☞30 credits\nsteps:\n" + STILL,
        "write `budget: {credits: 30}`",
    ),
    "unknown argument": (
        "unknown-key",
        HEAD
        + "steps:\n  a:\n    uses: generate\n    with: {model: z-image, prompt: x, ☞seed: 1}\n",
        "there are: model, prompt, params, references, brand; parameters of the model belong in `params:`",
    ),
    "duplicate step": (
        "duplicate-key",
        HEAD + "steps:\n" + STILL + STILL.replace("  s", "  ☞s", 1),
        "remove one of them",
    ),
    "computed key": (
        "expression-not-allowed",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: {☞'${{ b }}': 1}\n",
        "write the key itself; only values can be expressions",
    ),
}
"""The file, its keys, and the types of their values."""
