"""Wrong specs: expressions that cannot be parsed, or refer to something that is not there."""

from __future__ import annotations

from support.wrong_specs.pieces import HEAD, INPUTS, SCRIPT, STILL, STILLS

RATED = """\
  rated:
    uses: chat
    foreach: ${{ steps.stills.assets }}
    with: {model: gemini-2-5-flash-chat, message: rate, attachments: ["${{ item }}"], expect: {score: number}}
"""

EXPRESSIONS = {
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
    "output that is empty": (
        "wrong-value",
        HEAD + "steps:\n" + STILL + "outputs:\n  b: ${{ steps.still.asset }}\n  a:☞ # later\n",
        "write ${{ steps.NAME.asset }} after it, or remove it",
    ),
    "asset compared with a number": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ☞${{ steps.still.asset > 1 }}\n",
        "name one of its fields, such as .width",
    ),
    "asset that is rounded": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ ☞steps.still.asset | round }}\n",
        "name one of its fields, such as .width",
    ),
    "key that a map in an expression lacks": (
        "unknown-field",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: \"☞${{ {'tall': 1, 'wide': 2}['tal'] }}\"\n",
        "did you mean 'tall'? there are: tall, wide",
    ),
    "keys of items over media": (
        "unknown-field",
        HEAD + "steps:\n" + STILLS + RATED + "outputs:\n  a: ${{ ☞steps.rated.by['neon'].text }}\n",
        "its keys are the places '0', '1', …; over .items of a step they are that step's keys",
    ),
    "keys of other items": (
        "unknown-field",
        HEAD
        + "steps:\n"
        + STILLS
        + RATED
        + "  best:\n    uses: pick\n    with: {from: '${{ steps.stills.items }}', mode: best, "
        "by: '${{ ☞steps.rated.by[item.key].json.score }}'}\n",
        "its keys are the places '0', '1', …; over .items of a step they are that step's keys",
    ),
    "asset as a key": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "outputs:\n  a: \"${{ {'a': 1}[☞steps.still.asset] }}\"\n",
        "name one of its fields, such as .key",
    ),
    "text as a place": (
        "wrong-type",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL
        + "outputs:\n  a: ${{ inputs.styles[☞inputs.product] }}\n",
        "a list takes a number in [ ]; .by finds an item by its key",
    ),
    "literal argument that no filter takes": (
        "bad-expression",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL
        + "outputs: {a: '☞${{ inputs.product | truncate(0) }}'}\n",
        "write other arguments of `truncate(length, end)`",
    ),
    "arguments of a filter that no text fits, with a sign": (
        "bad-expression",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL
        + "outputs: {a: '☞${{ inputs.product | truncate(-5) }}'}\n",
        "write other arguments of `truncate(length, end)`",
    ),
    "key of a film without formats": (
        "unknown-field",
        HEAD
        + "steps:\n  film:\n    uses: compose\n    with: {video: 'https://a.b/c.mp4'}\n"
        + "outputs:\n  a: ${{ ☞steps.film.by['9:16'].asset }}\n",
        "add `formats: ['9:16']` to that step",
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
    "join of maps": (
        "wrong-type",
        HEAD + "steps:\n" + STILLS + "outputs:\n  a: of ${{ ☞steps.stills.items | join(', ') }}\n",
        "list what it joins: [shots[0].text, shots[1].text] | join; or write `| json`",
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
        HEAD + INPUTS + "steps:\n" + STILL.replace("a lamp", "'a ☞${inputs.product}'"),
        "write ${{ … }}",
    ),
    "one brace": (
        "missing-dollar",
        HEAD + INPUTS + "steps:\n" + STILL.replace("a lamp", "'a ☞{ inputs.product }'"),
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
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL.replace("a lamp", "'${{ inputs.product }} ☞{{ inputs.product }}'"),
        "write ${{ … }}",
    ),
    "condition that is text": (
        "bad-condition",
        HEAD + INPUTS + "steps:\n" + STILL + "    if: ☞inputs.product == 'lamp'\n",
        "write \"${{ inputs.product == 'lamp' }}\"",
    ),
}
"""Expressions that cannot be parsed, or refer to something that is not there."""
