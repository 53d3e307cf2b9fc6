"""Wrong specs: steps: kinds, names, and the types of their keys."""

from __future__ import annotations

from support.wrong_specs.pieces import HEAD, INPUTS, SCRIPT, STILL, STILLS

STEPS = {
    "step is text": ("wrong-type", HEAD + "steps:\n  a: ☞hello\n", "add `uses:`"),
    "step without uses": (
        "missing-key",
        HEAD + "steps:\n  ☞a:\n    title: x\n",
        "add `uses:` with one of upload, chat, generate, pick, compose, layout, notify, include",
    ),
    "unknown uses": (
        "unknown-uses",
        HEAD + "steps:\n  a:\n    uses: ☞genrate\n    with: {}\n",
        "did you mean 'generate'? there are: upload, chat, generate, pick, compose, layout, notify, include",
    ),
    "uses of a later version": (
        "unknown-uses",
        HEAD + "steps:\n  a:\n    uses: ☞publish\n    with: {url: x}\n",
        "there are: upload, chat, generate, pick, compose, layout, notify, include",
    ),
    "key of all items": (
        "wrong-value",
        HEAD + "steps:\n" + STILLS.replace("    with", "    key: ☞same\n    with"),
        'name the item in it: "${{ matrix.NAME }}"',
    ),
    "key of all items, computed": (
        "wrong-value",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL.replace(
            "    with",
            "    foreach: ${{ inputs.styles }}\n    as: style\n    key: ☞${{ inputs.product }}\n    with",
        ),
        'name the item in it: "${{ style }}"',
    ),
    "no with": (
        "missing-key",
        HEAD + "steps:\n  ☞a:\n    uses: pick\n",
        'add `with: {from: "${{ steps.NAME.items }}"}`',
    ),
    "empty with": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: pick\n    with:☞\n",
        'add `with: {from: "${{ steps.NAME.items }}"}`',
    ),
    "list that is a name without braces": (
        "wrong-type",
        HEAD + "steps:\n  a:\n    uses: generate\n    foreach: ☞inputs.names\n"
        "    with: {model: z-image, prompt: a lamp}\n",
        'write "${{ inputs.names }}"',
    ),
    "kind that is a map": (
        "wrong-type",
        HEAD + "steps:\n  a:\n    uses: ☞{pick: a}\n",
        "write one of upload, chat, generate, pick, compose, layout, notify, include",
    ),
    "with without model": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: generate\n    ☞with: {prompt: x}\n",
        "add `model: z-image`",
    ),
    "step name with capital": (
        "bad-name",
        HEAD + "steps:\n" + STILL.replace("still", "☞Hero still", 1),
        "write hero_still; at most 64 characters: lowercase letters, digits and _, starting with a letter",
    ),
    "invalid duration": (
        "wrong-value",
        HEAD + "steps:\n" + STILL + "    timeout: ☞soon\n",
        "write 90s, 15m, 48h or a number of seconds",
    ),
    "time of zero": (
        "wrong-value",
        HEAD + "steps:\n" + STILL + "    timeout: ☞0s\n",
        "write 90s, 15m, 48h or a number of seconds",
    ),
    "time that is true": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "    timeout: ☞true\n",
        "write 90s, 15m, 48h or a number of seconds",
    ),
    "time that is false in defaults": (
        "wrong-type",
        HEAD + "defaults: {generate: {timeout: ☞false}}\nsteps:\n" + STILL,
        "write 90s, 15m, 48h or a number of seconds",
    ),
    "text for a number": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "    regenerate: ☞'2'\n",
        "write the number without quotes",
    ),
    "number out of range": (
        "out-of-range",
        HEAD + "steps:\n" + STILL + "    retry: {attempts: ☞50}\n",
        "write at most 20",
    ),
    "retry as a number": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "    retry: ☞3\n",
        "write `retry: {attempts: 3}`",
    ),
    "invalid cache mode": (
        "wrong-choice",
        HEAD + "steps:\n" + STILL + "    cache: ☞on\n",
        "there are: off, run, spec",
    ),
    "expression for a number": (
        "expression-not-allowed",
        HEAD + INPUTS + "steps:\n" + STILL + '    max_parallel: ☞"${{ inputs.n }}"\n',
        "write the value itself",
    ),
    "expression in a title": (
        "expression-not-allowed",
        HEAD + "title: ☞${{ inputs.a }}\nsteps:\n" + STILL,
        "write the text itself",
    ),
    "unknown key of concurrency": (
        "unknown-key",
        HEAD + "concurrency: {group: a, ☞limits: 1}\nsteps:\n" + STILL,
        "did you mean 'limit'? there are: group, limit",
    ),
    "concurrency without a group": (
        "missing-key",
        HEAD + "☞concurrency: {limit: 1}\nsteps:\n" + STILL,
        "add `group: …`",
    ),
    "no run at once": (
        "out-of-range",
        HEAD + "concurrency: {group: a, limit: ☞0}\nsteps:\n" + STILL,
        "write at least 1",
    ),
    "group with a slash": (
        "bad-name",
        HEAD + "concurrency: {group: ☞a/b}\nsteps:\n" + STILL,
        "write a-b; at most 64 characters: lowercase letters, digits and _ or -, starting with a letter",
    ),
    "budget as text": (
        "wrong-type",
        HEAD + "budget: {credits: ☞'60'}\nsteps:\n" + STILL,
        "write the number without quotes",
    ),
    "unknown default kind": (
        "unknown-uses",
        HEAD + "defaults: {☞gen: {}}\nsteps:\n" + STILL,
        "there are: upload, chat, generate, pick, compose, layout, notify, include",
    ),
    "wrong default in defaults": (
        "wrong-value",
        HEAD + "defaults: {generate: {timeout: ☞x}}\nsteps:\n" + STILL,
        "write 90s, 15m, 48h or a number of seconds",
    ),
    "model that is empty": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: generate\n    with: {☞model: null, prompt: x}\n",
        "write a value after `model:`",
    ),
    "empty list of a pick": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: pick\n    with:\n      ☞from:\n",
        "write a value after `from:`",
    ),
}
"""Steps: kinds, names, and the types of their keys."""

ORDER = {
    "needs an unknown step": (
        "unknown-step",
        HEAD + "steps:\n" + SCRIPT + STILL + "    needs: [☞scrip]\n",
        "did you mean 'script'? there are: script, still",
    ),
    "refers to itself": (
        "cycle",
        HEAD
        + "steps:\n  ☞a:\n    uses: generate\n"
        + "    with: {model: z-image, prompt: '${{ steps.a.status }}'}\n",
        "remove that reference",
    ),
    "cycle of two": (
        "cycle",
        HEAD
        + "steps:\n  ☞a:\n    uses: compose\n    with: {video: '${{ steps.b.asset }}'}\n"
        + "  b:\n    uses: compose\n    with: {video: '${{ steps.a.asset }}'}\n",
        "remove one of these references",
    ),
    "cycle by needs": (
        "cycle",
        HEAD
        + "steps:\n"
        + STILL.replace("still", "☞still", 1)
        + "    needs: [b]\n  b:\n    uses: compose\n    with: {images: '${{ steps.still.asset }}'}\n",
        "remove one of these references",
    ),
}
"""References and `needs` that allow no order."""

FAN_OUTS = {
    "axis is text": (
        "wrong-type",
        HEAD + "steps:\n" + STILLS.replace("[neon, noir]", "☞neon"),
        "write [first, second], or one expression that gives a list",
    ),
    "axis is no list": (
        "wrong-type",
        HEAD + INPUTS + "steps:\n" + STILLS.replace("[neon, noir]", "☞'${{ inputs.product }}'"),
        "write [first, second], or one expression that gives a list",
    ),
    "axis is empty": (
        "empty-list",
        HEAD + "steps:\n" + STILLS.replace("[neon, noir]", "☞[]"),
        "add an item",
    ),
    "axis of maps and texts": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS.replace("[neon, noir]", "☞[{a: neon}, noir]").replace(
            "matrix.style", "matrix.style.a"
        ),
        "write a map with this key for each",
    ),
    "include of no list": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS.replace("noir]", "noir], include: ☞5").replace(
            "    with", "    if: ${{ matrix.style == 'neon' }}\n    with"
        ),
        "write [{axis: value}]",
    ),
    "exclude of no axis": (
        "unknown-variable",
        HEAD + "steps:\n" + STILLS.replace("noir]", "noir], exclude: [{☞stile: x}]"),
        "did you mean 'style'? there are: style",
    ),
    "two fan-outs": (
        "two-loops",
        HEAD + "steps:\n" + STILLS + "    ☞foreach: [1, 2]\n",
        "split it into two steps",
    ),
    "zip of unequal lists": (
        "unequal-lists",
        HEAD + "steps:\n" + STILL + "    zip: ☞{a: [1, 2], b: [1]}\n",
        "make the lists equally long, or use `matrix` for every combination",
    ),
    "as without foreach": (
        "needless-key",
        HEAD + "steps:\n" + STILL + "    ☞as: shot\n",
        "remove it",
    ),
    "allow_failures of one": (
        "needless-key",
        HEAD + "steps:\n" + STILL + "    ☞allow_failures: 1\n",
        "remove it",
    ),
    "jobs of a composition": (
        "needless-key",
        HEAD
        + "steps:\n"
        + STILL
        + "  film:\n    uses: compose\n    ☞regenerate: 1\n"
        + '    with: {images: ["${{ steps.still.asset }}"]}\n',
        "remove it",
    ),
    "time-out of a pick": (
        "needless-key",
        HEAD
        + "steps:\n"
        + STILL
        + "  hero:\n    uses: pick\n    ☞timeout: 48h\n"
        + '    with: {from: ["${{ steps.still }}"]}\n',
        "set it in `with`, where it limits the question",
    ),
    "more jobs of a chat": (
        "needless-key",
        HEAD
        + "steps:\n  talk:\n    uses: chat\n    ☞regenerate: 1\n"
        + "    with: {model: gemini-2-5-flash-chat, message: hello}\n",
        "remove it",
    ),
    "loop variable with a meaning": (
        "bad-name",
        HEAD + "steps:\n" + STILL + "    foreach: [1]\n    as: ☞inputs\n",
        "use another name, such as `as: shot`",
    ),
}
"""`matrix`, `foreach`, `zip`, and the keys that need them."""

ENDINGS = {
    "on_failure as a list": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "on_failure:\n  ☞- uses: chat\n",
        "write `key: value` lines below it",
    ),
    "unknown key in finally": (
        "unknown-key",
        HEAD
        + "steps:\n"
        + STILL
        + "finally:\n"
        + STILL.replace("still", "last")
        + "    ☞tilte: x\n",
        "did you mean 'title'?",
    ),
    "unknown model in on_failure": (
        "unknown-model",
        HEAD
        + "steps:\n"
        + STILL
        + "on_failure:\n"
        + STILL.replace("still", "last").replace("z-image", "☞z-imag"),
        "did you mean 'z-image'?",
    ),
    "name of a step twice": (
        "duplicate-name",
        HEAD + "steps:\n" + STILL + "finally:\n" + STILL.replace("still", "☞still"),
        "rename one of them",
    ),
    "bad name in finally": (
        "bad-name",
        HEAD + "steps:\n" + STILL + "finally:\n" + STILL.replace("still", "☞Last"),
        "write last; at most 64 characters: lowercase letters, digits and _, starting with a letter",
    ),
    "step that refers to a later part": (
        "out-of-scope",
        HEAD
        + "steps:\n"
        + STILL.replace("a lamp", "'${{ ☞steps.last.status }}'")
        + "finally:\n"
        + STILL.replace("still", "last"),
        "steps of `finally` run at the very end; move this step there",
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
        "steps of `finally` run at the very end; move this step there",
    ),
    "cycle in finally": (
        "cycle",
        HEAD
        + "steps:\n"
        + STILL
        + "finally:\n"
        + STILL.replace("still", "☞last").replace("a lamp", "'${{ steps.last.status }}'"),
        "remove that reference",
    ),
    "expression in a title of finally": (
        "expression-not-allowed",
        HEAD
        + "steps:\n"
        + STILL
        + "finally:\n"
        + STILL.replace("still", "last")
        + "    title: ☞${{ x }}\n",
        "write the text itself",
    ),
}
"""Steps of `on_failure` and `finally`."""
