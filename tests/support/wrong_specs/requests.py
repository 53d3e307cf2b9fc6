"""Wrong specs: requests that the catalogue refuses."""

from __future__ import annotations

from support.wrong_specs.pieces import HEAD, INPUTS, SCRIPT, STILL, STILLS

REQUESTS = {
    "upload for a model that does not exist": (
        "unknown-model",
        HEAD
        + INPUTS
        + "steps:\n  a: {uses: upload, with: {file: '${{ inputs.photo }}', model: ☞nanobanana}}\n",
        "did you mean 'nano-banana'?",
    ),
    "upload for a model that takes none": (
        "references-refused",
        HEAD
        + INPUTS
        + "steps:\n  a: {uses: upload, with: {file: '${{ inputs.photo }}', model: ☞z-image}}\n",
        "name the model that gets the file, or leave 'model' out",
    ),
    "asset as a parameter": (
        "bad-param",
        HEAD
        + "steps:\n"
        + STILL
        + "  b:\n    uses: generate\n"
        + "    with: {model: z-image, prompt: a, params: {aspect_ratio: ☞'${{ steps.still.asset }}'}}\n",
        "pick one item with [0], or name one of its fields",
    ),
    "model that holds what stands below it": (
        "unknown-model",
        HEAD
        + INPUTS
        + "steps:\n  a:\n    uses: generate\n    with:\n      model:\n        ☞prompt: ${{ inputs.product }}\n",
        "write its id, such as z-image",
    ),
    "wrong option in defaults": (
        "bad-option",
        HEAD + "defaults: {generate: {with: {params: {aspect_ratio: ☞9:17}}}}\nsteps:\n" + STILL,
        "did you mean '9:16'? one of 1:1, 4:3, 3:4, 16:9, 9:16",
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
        "write `params: {voice: Liam}`",
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
}
"""Requests that the catalogue refuses."""
