"""Wrong specs: arguments of a step that are not valid."""

from __future__ import annotations

from support.wrong_specs.pieces import HEAD, INPUTS, SCRIPT, STILL, STILLS

ANSWERS = (
    "write string, integer, number or boolean, [string], [{name: string}], or {name: string};"
    " choices are a string, and are named in the message"
)
ITEMS = 'write "${{ steps.NAME.items }}", or ["${{ steps.NAME }}"] of steps with one item'
NO_WORDS = 'write "${{ steps.NAME.asset }}"; words belong in a prompt or a message'

ARGUMENTS = {
    "unknown answer type": (
        "bad-expect",
        HEAD + "steps:\n" + SCRIPT.replace("visual: string", "visual: ☞text"),
        ANSWERS,
    ),
    **{
        f"answer type {written}": (
            "bad-expect",
            HEAD + "steps:\n" + SCRIPT.replace("visual: string", f"visual: {written}"),
            ANSWERS,
        )
        for written in ("☞5", "☞enum", "☞[hot, cold]", "☞[]", "☞array", "☞string?")
    },
    "expression with one brace as a model": (
        "missing-dollar",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILL.replace("z-image", "\"☞${ {'lamp': 'z-image'}[inputs.product] }}\""),
        "write ${{ … }}",
    ),
    "expression with one brace as a condition": (
        "missing-dollar",
        HEAD + INPUTS + "steps:\n" + STILL + "    if: ☞${ inputs.product == 'lamp' }}\n",
        "write ${{ … }}",
    ),
    "condition that is no name": (
        "bad-condition",
        HEAD + INPUTS + "steps:\n" + STILL + "    if: ☞jp\n",
        "write \"${{ inputs.NAME == 'value' }}\"",
    ),
    "condition that names an input alone": (
        "bad-condition",
        HEAD + INPUTS + "steps:\n" + STILL + "    if: ☞product == 'lamp'\n",
        "write \"${{ inputs.product == 'value' }}\"",
    ),
    "condition without braces": (
        "bad-condition",
        HEAD + INPUTS + "steps:\n" + STILL + "    if: ☞inputs.product == 'lamp'\n",
        "write \"${{ inputs.product == 'lamp' }}\"",
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
        'add `with: {clips: ["${{ steps.NAME.asset }}"]}`',
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
    "session that is no text": (
        "wrong-type",
        HEAD + "steps:\n" + SCRIPT.replace("message", "session: ☞5, message"),
        "put it in quotes",
    ),
    "pick mode": (
        "wrong-choice",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: pick\n    with: {from: '${{ steps.stills.items }}', mode: ☞everybody}\n",
        "there are: human, first, best, judge",
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
    "notify without an address": (
        "missing-key",
        HEAD + "steps:\n  a:\n    uses: notify\n    ☞with: {body: 1}\n",
        "add `url: https://example.com/hook`",
    ),
    "invalid address": (
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
    "output that notify lacks": (
        "unknown-field",
        HEAD
        + "steps:\n  a:\n    uses: notify\n    with: {url: https://a.b}\n"
        + "outputs:\n  a: ${{ ☞steps.a.asset }}\n",
        "there are: status, credits",
    ),
}
"""Arguments of a step that are not valid."""

TYPES = {
    "pick from a whole fan-out in a list": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS
        + "  hero: {uses: pick, with: {from: [☞'${{ steps.stills }}']}}\n",
        ITEMS,
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
    "composition of a film or a still as a film": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILL
        + STILL.replace("still", "film").replace("z-image", "veo3-1-lite")
        + "  b:\n    uses: compose\n"
        + "    with: {video: ☞'${{ steps.film.asset or steps.still.asset }}'}\n",
        "use a video, or remove it",
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
    "session that is an answer": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + SCRIPT
        + "  more:\n    uses: chat\n    with: {model: gemini-2-5-flash-chat, message: Hi, "
        "session: ☞'${{ steps.script.text }}'}\n",
        'write "${{ steps.NAME.session_id }}"',
    ),
    "session of another model": (
        "wrong-value",
        HEAD
        + "steps:\n"
        + SCRIPT
        + "  more:\n    uses: chat\n    with: {model: gpt-5-2-chat, message: Hi, "
        "session: ☞'${{ steps.script.session_id }}'}\n",
        "write `model: gemini-2-5-flash-chat`, or leave 'session' out",
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
    "pick of assets": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: pick\n    with: {from: ☞'${{ steps.stills.assets }}'}\n",
        ITEMS,
    ),
    "pick of one asset": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: pick\n    with: {from: ['${{ steps.still }}', ☞'${{ steps.still.asset }}']}\n",
        ITEMS,
    ),
    "pick of a whole step": (
        "wrong-type",
        HEAD
        + "steps:\n"
        + STILLS
        + "  b:\n    uses: pick\n    with: {from: ☞'${{ steps.stills }}'}\n",
        "write .items after it",
    ),
    "pick of callbacks": (
        "wrong-type",
        HEAD
        + "steps:\n  calls:\n    uses: notify\n    foreach: [a, b]\n    with: {url: https://a.b}\n"
        + "  b:\n    uses: pick\n    with: {from: ☞'${{ steps.calls.items }}'}\n",
        "pick from a step that makes images, videos or audio, or from a chat",
    ),
    "list as an address": (
        "wrong-type",
        HEAD
        + INPUTS
        + "steps:\n  a:\n    uses: notify\n    with:\n      url: ☞${{ inputs.styles }}\n",
        "pick one item with [0], or fan out with `matrix` for each",
    ),
    "list as a mode": (
        "wrong-type",
        HEAD
        + INPUTS
        + "steps:\n"
        + STILLS
        + "  a:\n    uses: pick\n    with: {from: '${{ steps.stills.items }}', mode: ☞'${{ inputs.styles }}'}\n",
        "pick one item with [0], or fan out with `matrix` for each",
    ),
    "list as a model": (
        "wrong-type",
        HEAD + INPUTS + "steps:\n" + STILL.replace("z-image", "☞'${{ inputs.styles }}'"),
        "pick one item with [0], or fan out with `matrix` for each",
    ),
    **{
        f"words as {key} of {uses} {number}": (
            "wrong-type",
            HEAD
            + "steps:\n"
            + SCRIPT
            + STILL
            + f"  a:\n    uses: {uses}\n    with: {{{others}{key}: {written}}}\n",
            "write the URL, or take it from an input" if key == "url" else NO_WORDS,
        )
        for number, (uses, others, key, written) in enumerate(
            (
                (
                    "generate",
                    "model: nano-banana-2, prompt: a, ",
                    "references",
                    "['${{ steps.still.asset }}', ☞'${{ steps.script.json.visual }}']",
                ),
                (
                    "generate",
                    "model: nano-banana-2, prompt: a, ",
                    "references",
                    "☞'${{ steps.script.json.tags[0:2] }}'",
                ),
                (
                    "chat",
                    "model: gemini-2-5-flash-chat, message: a, ",
                    "attachments",
                    "☞'${{ steps.script.text | trim }}'",
                ),
                ("upload", "", "file", "☞'${{ steps.script.status }}'"),
                ("upload", "", "file", "☞'${{ steps.still.asset | json }}'"),
                ("upload", "", "file", "☞'${{ steps.still.asset.path or steps.still.asset }}'"),
                ("upload", "", "file", "☞\"${{ 'a lamp' if steps.script.text else none }}\""),
                ("compose", "", "video", "☞'${{ steps.still.asset.path }}'"),
                ("compose", "", "clips", "[{media: ☞'${{ steps.script.text }}'}]"),
                ("compose", "", "clips", "☞'${{ steps.script.json.tags }}'"),
                (
                    "compose",
                    "video: 'https://a.b/c.mp4', ",
                    "music",
                    "{audio: ☞'${{ steps.script.json.visual }}'}",
                ),
                (
                    "layout",
                    "image: 'https://a.b/c.png', ",
                    "overlays",
                    "[{image: ☞'${{ steps.script.json.visual }}'}]",
                ),
                ("notify", "", "url", "☞'${{ steps.script.text }}'"),
            )
        )
    },
}
"""Computed arguments of the wrong type."""
