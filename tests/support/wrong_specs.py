"""Wrong specs, each with its one mistake: code, text, and the hint that says the fix."""

from __future__ import annotations

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

WRONG = {
    # the file
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
    "no name": ("missing-key", "☞version: 1\nsteps:\n" + STILL, "add `name: my-campaign`"),
    "name with a space": (
        "bad-name",
        "version: 1\nname: ☞My film\nsteps:\n" + STILL,
        "at most 64 characters: lowercase letters, digits and _ or -, starting with a letter",
    ),
    "name as number": ("wrong-type", "version: 1\nname: ☞5\nsteps:\n" + STILL, "put it in quotes"),
    "no steps": ("missing-key", "☞" + HEAD, "add `steps:` with one step below it"),
    "empty steps": ("missing-key", HEAD + "☞steps: {}\n", "add `steps:` with one step below it"),
    "steps as a list": (
        "wrong-type",
        HEAD + "steps:\n  ☞- uses: chat\n",
        "write `NAME:` and its keys below it, without a dash",
    ),
    # keys
    "unknown top key": (
        "unknown-key",
        HEAD + "☞step: 1\nsteps:\n" + STILL,
        "did you mean 'steps'?",
    ),
    "unknown input key": (
        "unknown-key",
        HEAD + "inputs:\n  a: {type: text, ☞defautl: x}\nsteps:\n" + STILL,
        "did you mean 'default'?",
    ),
    "unknown step key": (
        "unknown-key",
        HEAD + "steps:\n" + STILL + "    ☞matrx: {a: [1]}\n",
        "did you mean 'matrix'?",
    ),
    "step with an id": (
        "unknown-key",
        HEAD + "steps:\n" + STILL + "    ☞id: a\n",
        "there are: uses, with, title, matrix, foreach, as, zip, key, max_items, if, needs, allow_failures, retry, regenerate, timeout, max_parallel, cache",
    ),
    "argument beside with": (
        "unknown-key",
        HEAD + "steps:\n" + STILL + "    ☞prompt: a chair\n",
        "write it below `with:`",
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
    "kind of an upload": (
        "wrong-choice",
        HEAD + "steps:\n  a:\n    uses: upload\n"
        "    with: {file: 'https://example.com/a.png', kind: ☞picture}\n",
        "there are: image, video, audio",
    ),
    "broken pattern of an input that a deployment gives": (
        "bad-input",
        HEAD
        + "inputs:\n  a: {type: string, ☞pattern: '(', default: x}\nsteps:\n"
        + STILL
        + "deploy: [{name: weekly, inputs: {a: y}}]\n",
        "write a regular expression such as [A-Z]{2}-[0-9]+",
    ),
    "model that holds what stands below it": (
        "unknown-model",
        HEAD
        + INPUTS
        + "steps:\n  a:\n    uses: generate\n    with:\n      model:\n        ☞prompt: ${{ inputs.product }}\n",
        "write its id, such as z-image",
    ),
    "budget as a number": (
        "wrong-type",
        HEAD + "budget: ☞60\nsteps:\n" + STILL,
        "write `budget: {credits: 60}`",
    ),
    "input type of another language": (
        "wrong-choice",
        HEAD + "inputs:\n  a: {type: ☞image}\nsteps:\n" + STILL,
        "write `type: file` and `kind: image`",
    ),
    "unknown argument": (
        "unknown-key",
        HEAD
        + "steps:\n  a:\n    uses: generate\n    with: {model: z-image, prompt: x, ☞seed: 1}\n",
        "there are: model, prompt, params, references; parameters of the model belong in `params:`",
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
    # steps
    "step is text": ("wrong-type", HEAD + "steps:\n  a: ☞hello\n", "add `uses:`"),
    "step without uses": (
        "missing-key",
        HEAD + "steps:\n  ☞a:\n    title: x\n",
        "add `uses:` with one of upload, chat, generate, pick, compose, notify, include",
    ),
    "unknown uses": (
        "unknown-uses",
        HEAD + "steps:\n  a:\n    uses: ☞genrate\n    with: {}\n",
        "did you mean 'generate'? there are: upload, chat, generate, pick, compose, notify, include",
    ),
    "uses of a later version": (
        "unknown-uses",
        HEAD + "steps:\n  a:\n    uses: ☞publish\n    with: {url: x}\n",
        "there are: upload, chat, generate, pick, compose, notify, include",
    ),
    "no with": (
        "missing-key",
        HEAD + "steps:\n  ☞a:\n    uses: pick\n",
        'add `from: "${{ steps.NAME.items }}"`',
    ),
    "with without model": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: generate\n    ☞with: {prompt: x}\n",
        "add `model: z-image`",
    ),
    "step name with capital": (
        "bad-name",
        HEAD + "steps:\n" + STILL.replace("still", "☞Still", 1),
        "at most 64 characters: lowercase letters, digits and _, starting with a letter",
    ),
    "time that is none": (
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
    "cache that is none": (
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
        "at most 64 characters: lowercase letters, digits and _ or -, starting with a letter",
    ),
    "budget as text": (
        "wrong-type",
        HEAD + "budget: {credits: ☞'60'}\nsteps:\n" + STILL,
        "write the number without quotes",
    ),
    "unknown default kind": (
        "unknown-uses",
        HEAD + "defaults: {☞gen: {}}\nsteps:\n" + STILL,
        "there are: upload, chat, generate, pick, compose, notify, include",
    ),
    "wrong default in defaults": (
        "wrong-value",
        HEAD + "defaults: {generate: {timeout: ☞x}}\nsteps:\n" + STILL,
        "write 90s, 15m, 48h or a number of seconds",
    ),
    "wrong option in defaults": (
        "bad-option",
        HEAD + "defaults: {generate: {with: {params: {aspect_ratio: ☞9:17}}}}\nsteps:\n" + STILL,
        "did you mean '9:16'? one of 1:1, 4:3, 3:4, 16:9, 9:16",
    ),
    # expressions
    "unclosed expression": (
        "bad-expression",
        HEAD + "outputs: {a: '☞${{ x'}\nsteps:\n" + STILL,
        "end it with }}",
    ),
    "unreadable expression": (
        "bad-expression",
        HEAD + "steps:\n" + STILL + "outputs: {a: '☞${{ steps.still. }}'}\n",
        "write ${{ inputs.NAME }} or ${{ steps.NAME.FIELD }}; quote text",
    ),
    "unknown filter": (
        "bad-expression",
        HEAD + INPUTS + "steps:\n" + STILL + "outputs: {a: '${{ inputs.product | ☞slgu }}'}\n",
        "did you mean 'slug'?",
    ),
    "function": (
        "bad-expression",
        HEAD + "steps:\n" + STILL + "outputs: {a: '☞${{ range(3) }}'}\n",
        "there are filters, written `value | NAME`: default, first, int, join, json, last, length, lower, replace, round, seed, slug, string, title, trim, truncate, upper",
    ),
    "unknown input": (
        "unknown-input",
        HEAD + INPUTS + "steps:\n" + STILL + "outputs: {a: 'x ${{ ☞inputs.prodct }}'}\n",
        "did you mean 'product'? there are: product, styles, photo, ratio",
    ),
    "unknown step": (
        "unknown-step",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.stil.asset }}\n",
        "did you mean 'still'? there are: still",
    ),
    "unknown field": (
        "unknown-field",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.still.picture }}\n",
        "there are: status, credits, asset, assets, task_id",
    ),
    "unknown field of an asset": (
        "unknown-field",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.still.asset.size }}\n",
        "there are: kind, path, url, mime_type, sha256, width, height, duration_seconds",
    ),
    "field that expect lacks": (
        "unknown-field",
        HEAD + "steps:\n" + SCRIPT + "outputs:\n  a: ${{ ☞steps.script.json.visul }}\n",
        "did you mean 'visual'? there are: visual, tags",
    ),
    "json without expect": (
        "unknown-field",
        HEAD
        + "steps:\n  s:\n    uses: chat\n    with: {model: gemini-2-5-flash-chat, message: Hi}\n"
        + "outputs:\n  a: ${{ ☞steps.s.json.visual }}\n",
        "add `expect: {name: string}` to that step, or use .text",
    ),
    "asset of a fan-out": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞steps.stills.asset }}\n",
        "the step has several items: use .items, .by['KEY'].asset, or .assets",
    ),
    "items of a single step": (
        "unknown-field",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.still.items }}\n",
        "the step has no matrix, foreach or zip, so it has one .asset",
    ),
    "field of a list": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞steps.stills.items.asset }}\n",
        "it is a list: pick an item first, [0].asset",
    ),
    "item that a fan-out has not": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞steps.stills.items[2].asset }}\n",
        "indexes start at 0: there are [0] to [1]",
    ),
    "place in quotes": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞steps.stills.items['1'].asset }}\n",
        "indexes start at 0: [0] is the first; .by finds an item by its key",
    ),
    "place with a fraction": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞steps.stills.items[1.0].asset }}\n",
        "indexes start at 0: [0] is the first; .by finds an item by its key",
    ),
    "place of another number": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞steps.stills.items['²'].asset }}\n",
        "indexes start at 0: [0] is the first; .by finds an item by its key",
    ),
    "field of all items by name": (
        "unknown-field",
        HEAD
        + "steps:\n"
        + STILLS.replace("neon", "studio light")
        + "outputs:\n  a: ${{ ☞steps.stills.by.asset }}\n",
        "write ['studio light'].asset",
    ),
    "pick from a whole fan-out in a list": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS
        + "  hero: {uses: pick, with: {from: [☞'${{ steps.stills }}']}}\n",
        'write from: "${{ steps.NAME.items }}"',
    ),
    "list of another language's kind": (
        "wrong-choice",
        HEAD + "inputs:\n  a: {type: list, of: ☞image}\nsteps:\n" + STILL,
        "write `of: file` and `kind: image`",
    ),
    "key that a fan-out has not": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞steps.stills.by['noire'].asset }}\n",
        "did you mean 'noir'? there are: neon, noir",
    ),
    "second mistake of a text": (
        "unknown-step",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL
        + 'outputs:\n  a: "${{ inputs.product }} ${{ ☞steps.x.y }}"\n',
        "there are: still",
    ),
    "mistake in a block text": (
        "unknown-input",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL
        + "outputs:\n  a: |\n    One line\n    ${{ inputs.product }} और ${{ ☞inputs.x }}\n",
        "there are: product, styles, photo, ratio",
    ),
    "unknown name": (
        "unknown-name",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞still }}\n",
        "write steps.still",
    ),
    "all steps": (
        "unnamed-step",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ☞${{ steps | json }}\n",
        "write steps.NAME",
    ),
    "matrix outside": (
        "out-of-scope",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: ${{ ☞matrix.style }}\n",
        "only a step with `matrix:` has it, inside `with`, `if` and `key`",
    ),
    "item outside": (
        "out-of-scope",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞item }}\n",
        "only a step with `foreach:` and no `as:` has it, inside `with`, `if` and `key`",
    ),
    "unknown axis": (
        "unknown-variable",
        HEAD + "steps:\n" + STILLS.replace("matrix.style", "☞matrix.stile"),
        "did you mean 'style'? there are: style",
    ),
    "asset in text": (
        "not-text",
        HEAD + "steps:\n" + STILL + 'outputs:\n  a: "see ☞${{ steps.still.asset }}"\n',
        "name one of its fields, such as .url",
    ),
    "list in text": (
        "not-text",
        HEAD + INPUTS + "steps:\n" + STILL + 'outputs:\n  a: "see ☞${{ inputs.styles }}"\n',
        "write `| join(', ')`, or pick one item with [0]",
    ),
    "asset as a prompt": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: generate\n"
        + "    with: {model: z-image, prompt: ☞'${{ steps.still.asset }}'}\n",
        "name one of its fields, such as .url",
    ),
    "items as references": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: generate\n"
        + "    with: {model: nano-banana-2, prompt: x, references: ☞'${{ steps.stills.items }}'}\n",
        "use .assets, or .asset of each",
    ),
    "field of what a step made": (
        "unknown-field",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.still.url }}\n",
        "write .asset.url",
    ),
    "and of another language": (
        "bad-expression",
        HEAD + INPUTS + "steps:\n" + STILL + "    if: ☞${{ inputs.photo && true }}\n",
        "write `and`",
    ),
    "equal sign of another language": (
        "bad-expression",
        HEAD + INPUTS + "steps:\n" + STILL + "    if: ☞${{ inputs.ratio = '1:1' }}\n",
        "write `==`",
    ),
    "choice of another language": (
        "bad-expression",
        HEAD + INPUTS + "steps:\n" + STILL + "outputs: {a: \"☞${{ inputs.photo ?? 'a||b' }}\"}\n",
        "write `| default(…)`",
    ),
    "method": (
        "bad-expression",
        HEAD + INPUTS + "steps:\n" + STILL + "outputs: {a: '☞${{ inputs.product.upper() }}'}\n",
        "write it as a filter: `value | upper`",
    ),
    "one brace with a dollar": (
        "missing-dollar",
        HEAD + INPUTS + "steps:\n" + STILL.replace("a lamp", "☞'a ${inputs.product}'"),
        "write ${{ … }}",
    ),
    "one brace": (
        "missing-dollar",
        HEAD + INPUTS + "steps:\n" + STILL.replace("a lamp", "☞'a { inputs.product }'"),
        "write ${{ … }}",
    ),
    "name without braces": (
        "missing-dollar",
        HEAD + INPUTS + "steps:\n" + STILL.replace("a lamp", "☞inputs.product"),
        "write ${{ inputs.product }}",
    ),
    "name without braces as an output": (
        "missing-dollar",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ☞steps.still.asset\n",
        "write ${{ steps.still.asset }}",
    ),
    "name without braces as a reference": (
        "missing-dollar",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: generate\n    with: {model: nano-banana-2, prompt: x, "
        + "references: [☞steps.still.asset]}\n",
        "write ${{ steps.still.asset }}",
    ),
    "braces without a dollar": (
        "missing-dollar",
        HEAD + INPUTS + "steps:\n" + STILL.replace("a lamp", "☞'a {{ inputs.product }}'"),
        "write ${{ … }}",
    ),
    "condition that is text": (
        "bad-condition",
        HEAD + INPUTS + "steps:\n" + STILL + "    if: ☞inputs.product == 'lamp'\n",
        "write \"${{ inputs.product == 'lamp' }}\"",
    ),
    # order
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
    # fan-out
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
    # arguments
    "unknown answer type": (
        "bad-expect",
        HEAD + "steps:\n" + SCRIPT.replace("visual: string", "visual: ☞text"),
        "there are: string, integer, number, boolean",
    ),
    "reasoning effort": (
        "wrong-choice",
        HEAD + "steps:\n" + SCRIPT.replace("message", "reasoning_effort: ☞huge, message"),
        "there are: default, minimal, low, medium, high, xhigh",
    ),
    "composition of nothing": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  b:\n    uses: compose\n    ☞with: {loudness: -14}\n",
        'write `video: "${{ steps.NAME.asset }}"`',
    ),
    "composition without arguments": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  ☞b:\n    uses: compose\n",
        'write `video: "${{ steps.NAME.asset }}"`',
    ),
    "composition of no video": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  b:\n    uses: compose\n    with: {video: ☞[]}\n",
        "add an item, or remove it",
    ),
    "composition of no images": (
        "missing-key",
        HEAD + "steps:\n" + STILL + "  b:\n    uses: compose\n    with: {images: ☞[]}\n",
        "add an item, or remove it",
    ),
    "composition of a still as a film": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: compose\n    with: {video: ☞'${{ steps.still.asset }}'}\n",
        "use a video, or remove it",
    ),
    "composition of an uploaded photo as a film": (
        "wrong-type",
        HEAD
        + INPUTS
        + "steps:\n  a: {uses: upload, with: {file: '${{ inputs.photo }}'}}\n"
        + "  b:\n    uses: compose\n    with: {video: ☞'${{ steps.a.asset }}'}\n",
        "use a video, or remove it",
    ),
    "composition of a still or nothing as a sound": (
        "wrong-type",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL
        + "  b:\n    uses: compose\n    with: {images: '${{ steps.still.asset }}', "
        + "audio: [☞\"${{ steps.still.asset if inputs.product == 'x' else none }}\"]}\n",
        "use audio, or remove it",
    ),
    "composition of stills as sounds": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: compose\n    with: {images: '${{ steps.stills.assets }}', "
        + "audio: ☞'${{ steps.stills.assets }}'}\n",
        "use audio, or remove it",
    ),
    "session that is no text": (
        "wrong-type",
        HEAD + "steps:\n" + SCRIPT.replace("message", "session: ☞5, message"),
        "put it in quotes",
    ),
    "session of a step that is no text": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + SCRIPT
        + "  b:\n    uses: chat\n    with: {model: gemini-2-5-flash-chat, message: Hi, "
        + "session: ☞'${{ steps.script }}'}\n",
        "name one of its fields, or write `| json`",
    ),
    "films as references of a picture": (
        "references-refused",
        HEAD
        + "steps:\n"
        + STILLS.replace("z-image", "veo3-1-lite")
        + "  b:\n    uses: generate\n    with: {model: nano-banana-2, prompt: x, "
        + "references: ☞'${{ steps.stills.assets }}'}\n",
        "it takes image",
    ),
    "films as attachments": (
        "references-refused",
        HEAD
        + "steps:\n"
        + STILLS.replace("z-image", "veo3-1-lite")
        + "  b:\n    uses: chat\n    with: {model: gpt-5-2-chat, message: x, "
        + "attachments: ☞'${{ steps.stills.assets }}'}\n",
        "remove it, or use a still image",
    ),
    "pick of assets": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: pick\n    with: {from: ☞'${{ steps.stills.assets }}'}\n",
        "use .items of a step with several items",
    ),
    "pick of one asset": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: pick\n    with: {from: ['${{ steps.still }}', ☞'${{ steps.still.asset }}']}\n",
        'write the step without a field: "${{ steps.NAME }}"',
    ),
    "pick of a whole step": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: pick\n    with: {from: ☞'${{ steps.stills }}'}\n",
        "write .items after it",
    ),
    "pick of answers": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + SCRIPT.replace("    uses", "    foreach: [a, b]\n    uses")
        + "  b:\n    uses: pick\n    with: {from: ☞'${{ steps.script.items }}'}\n",
        "pick from a step that makes images, videos or audio",
    ),
    "pick mode": (
        "wrong-choice",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: pick\n    with: {from: '${{ steps.stills.items }}', mode: ☞best}\n",
        "there are: human, first",
    ),
    "question without a human": (
        "needless-key",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: pick\n    with: {from: '${{ steps.stills.items }}', ☞question: Which?}\n",
        "write `mode: human`, or remove it",
    ),
    "reference that is empty": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILL.replace("z-image", "nano-banana-2").replace(
            "lamp", "lamp, references: [a.png, ☞null]"
        ),
        "write a path such as photos/logo.png",
    ),
    "prompt as a number": (
        "wrong-type",
        HEAD + "steps:\n" + STILL.replace("a lamp", "☞5"),
        "put it in quotes",
    ),
    # the catalogue
    "unknown model": (
        "unknown-model",
        HEAD + "steps:\n" + STILL.replace("z-image", "☞z-imag"),
        "did you mean 'z-image'?",
    ),
    "chat model for a picture": (
        "wrong-route",
        HEAD + "steps:\n" + STILL.replace("z-image", "☞gemini-2-5-flash-chat"),
        "write `uses: chat`",
    ),
    "picture model for a chat": (
        "wrong-route",
        HEAD + "steps:\n" + SCRIPT.replace("gemini-2-5-flash-chat", "☞z-image"),
        "write `uses: generate`",
    ),
    "unknown parameter": (
        "unknown-param",
        HEAD + "steps:\n" + STILL.replace("lamp", "lamp, params: {☞aspectRatio: 9:16}"),
        "did you mean 'aspect_ratio'? 'z-image' takes aspect_ratio",
    ),
    "wrong option": (
        "bad-option",
        HEAD + "steps:\n" + STILL.replace("lamp", "lamp, params: {aspect_ratio: ☞9:17}"),
        "did you mean '9:16'? one of 1:1, 4:3, 3:4, 16:9, 9:16",
    ),
    "wrong option in a matrix": (
        "bad-option",
        HEAD
        + "steps:\n"
        + STILLS.replace(
            'style }}"', "style }}\", params: {aspect_ratio: ☞'${{ matrix.style }}'}"
        ).replace("[neon, noir]", "['1:1', '7:7']"),
        "one of 1:1, 4:3, 3:4, 16:9, 9:16",
    ),
    "wrong option in an enum": (
        "bad-option",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL.replace("lamp", "lamp, params: {aspect_ratio: ☞'${{ inputs.ratio }}'}"),
        "did you mean '3:4'? one of 1:1, 4:3, 3:4, 16:9, 9:16",
    ),
    "no prompt": (
        "missing-prompt",
        HEAD + "steps:\n" + STILL.replace("with", "☞with").replace(", prompt: a lamp", ""),
        "add `prompt:`",
    ),
    "long prompt": (
        "prompt-too-long",
        HEAD + "steps:\n" + STILL.replace("a lamp", "☞" + "lamp " * 250),
        "shorten it, or pick another model",
    ),
    "long text around an expression": (
        "prompt-too-long",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL.replace("a lamp", "☞'" + "lamp " * 250 + "${{ inputs.product }}'"),
        "shorten it, or pick another model",
    ),
    "required parameter": (
        "missing-param",
        HEAD
        + "steps:\n  a:\n    uses: generate\n"
        + "    ☞with: {model: elevenlabs-turbo-2-5, prompt: Hello}\n",
        "write `params: {voice: TX3LPaxmHKxFdv7VOQHJ}`",
    ),
    "references refused": (
        "references-refused",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: generate\n"
        + "    with: {model: z-image, prompt: x, references: ☞['${{ steps.still.asset }}']}\n",
        "remove `references`, or pick a model that takes files",
    ),
    "too many references": (
        "too-many-references",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: generate\n    with: {model: veo3-1-lite, prompt: x, references: ☞["
        + ", ".join(["'${{ steps.still.asset }}'"] * 3)
        + "]}\n",
        "Up to 2 images of at most 10 MB each.",
    ),
    "attachment for a chat that reads": (
        "chat-cannot",
        HEAD
        + INPUTS
        + "steps:\n  s:\n    uses: chat\n    with: {model: claude-sonnet-4-6-chat, message: Hi, "
        + "attachments: ☞['${{ inputs.photo }}']}\n",
        "pick another model, or remove it",
    ),
    # inputs
    "input without a type": (
        "missing-key",
        HEAD + "inputs:\n  ☞a: {default: x}\nsteps:\n" + STILL,
        "add `type: string`",
    ),
    "unknown input type": (
        "wrong-choice",
        HEAD + "inputs:\n  a: {type: ☞str}\nsteps:\n" + STILL,
        "did you mean 'string'?",
    ),
    "default of another type": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: integer, default: ☞'5'}\nsteps:\n" + STILL,
        "write a whole number, without quotes",
    ),
    "default out of range": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: integer, default: ☞9, max: 5}\nsteps:\n" + STILL,
        "write a whole number of at most 5, without quotes",
    ),
    "default outside the enum": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: enum, values: [x, y], default: ☞z}\nsteps:\n" + STILL,
        "one of: x, y",
    ),
    "default that is no file": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: file, default: ☞5}\nsteps:\n" + STILL,
        "give the path or URL of a media file, or the id of an upload",
    ),
    "enum without values": (
        "bad-input",
        HEAD + "inputs:\n  ☞a: {type: enum}\nsteps:\n" + STILL,
        "add `values: [first, second]`",
    ),
    "values without enum": (
        "bad-input",
        HEAD + "inputs:\n  a: {type: text, ☞values: [x]}\nsteps:\n" + STILL,
        "write `type: enum`",
    ),
    "pattern that cannot be read": (
        "bad-input",
        HEAD + "inputs:\n  a: {type: string, ☞pattern: '('}\nsteps:\n" + STILL,
        "write a regular expression such as [A-Z]{2}-[0-9]+",
    ),
    "pattern that could take for ever": (
        "bad-input",
        HEAD + "inputs:\n  a: {type: string, ☞pattern: '(?=a)(a+)+'}\nsteps:\n" + STILL,
        "write a regular expression such as [A-Z]{2}-[0-9]+",
    ),
    "no as yes or no": (
        "wrong-type",
        HEAD + "inputs:\n  a: {type: text, required: ☞no}\nsteps:\n" + STILL,
        "write true or false",
    ),
    "secret that is given": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: secret, default: ☞hunter2}\nsteps:\n" + STILL,
        "write env:NAME for an environment variable, or block:NAME",
    ),
    # deployments
    "deploy of an unknown input": (
        "unknown-input",
        HEAD + "steps:\n" + STILL + "deploy:\n  - name: a\n    inputs: {☞b: 1}\n",
        "the spec has no inputs",
    ),
    "deploy with a path": (
        "wrong-input",
        HEAD + INPUTS + "steps:\n" + STILL + "deploy:\n  - name: a\n    inputs: {photo: ☞a.jpg}\n",
        "give the URL of an image file, or the id of an upload",
    ),
    "schedule without an input": (
        "missing-input",
        HEAD
        + "inputs:\n  a: {type: text}\nsteps:\n"
        + STILL
        + "deploy:\n  - ☞name: a\n    schedules: [{cron: 0 9 * * 1}]\n",
        "add `inputs: {a: …}`, or give the input a default",
    ),
    "cron of four fields": (
        "bad-schedule",
        HEAD + "steps:\n" + STILL + "deploy:\n  - {name: a, schedules: [{cron: ☞0 9 * *}]}\n",
        "write minute hour day month weekday, such as 0 9 * * 1",
    ),
    "two kinds of schedule": (
        "bad-schedule",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - {name: a, schedules: [☞{cron: 0 9 * * 1, interval: 5m}]}\n",
        'write {cron: "0 9 * * 1"}',
    ),
    "unknown time zone": (
        "bad-schedule",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - {name: a, schedules: [{cron: 0 9 * * 1, timezone: ☞Asia/Kolkatta}]}\n",
        "did you mean 'Asia/Kolkata'?",
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
    # notify
    "notify without an address": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: notify\n    ☞with: {body: 1}\n",
        "add `url: https://example.com/hook`",
    ),
    "address that is none": (
        "bad-address",
        HEAD + "steps:\n  a:\n    uses: notify\n    with: {url: ☞hooks.example}\n",
        "write https://example.com/hook",
    ),
    "address without a host": (
        "bad-address",
        HEAD + 'steps:\n  a:\n    uses: notify\n    with: {url: ☞"https:///hook"}\n',
        "write https://example.com/hook",
    ),
    "secret of notify that is given": (
        "bad-secret",
        HEAD + "steps:\n  a:\n    uses: notify\n    with: {url: https://a.b, secret: ☞whsec_1}\n",
        "write env:NAME or block:NAME",
    ),
    "key as an address": (
        "reserved-secret",
        HEAD + "steps:\n  a:\n    uses: notify\n    with: {url: ☞env:RIVYA_API_KEY}\n",
        "use another name, such as env:HOOK_URL",
    ),
    "setting of Prefect as a signing secret": (
        "reserved-secret",
        HEAD
        + "steps:\n  a:\n    uses: notify\n"
        + "    with: {url: https://a.b, secret: ☞env:prefect_api_auth_string}\n",
        "use another name, such as env:HOOK_URL",
    ),
    "block of the key as an address": (
        "reserved-secret",
        HEAD + "steps:\n  a:\n    uses: notify\n    with: {url: ☞block:secret/rivya-api-key}\n",
        "use another name, such as env:HOOK_URL",
    ),
    "list as an address": (
        "wrong-type",
        HEAD
        + INPUTS
        + "steps:\n  a:\n    uses: notify\n    with:\n      url: ☞${{ inputs.styles }}\n",
        "write `| join(', ')`, or pick one item with [0]",
    ),
    "output that notify lacks": (
        "unknown-field",
        HEAD
        + "steps:\n  a:\n    uses: notify\n    with: {url: https://a.b}\n"
        + "outputs:\n  a: ${{ ☞steps.a.asset }}\n",
        "there are: status, credits",
    ),
    # what runs at the end
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
        "at most 64 characters: lowercase letters, digits and _, starting with a letter",
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
    "two deployments of one name": (
        "duplicate-name",
        HEAD + "steps:\n" + STILL + "deploy: [{name: a}, {name: ☞a}]\n",
        "rename one of them",
    ),
}
"""The ☞ stands where the problem must point."""
