"""Wrong specs by topic, each with one mistake, in the files beside this one.

A line with the name of a mistake, its code and its hint stands above the text, in which ☞ marks where
the diagnostic must point. A text fills the … of the frame that its section names. A name in capitals
is a piece, `a = compose {…}` is a step in three lines, and ‹a, ›×3 repeats. Where ~ is before a name,
the schema accepts the spec: it knows no names, no worth of an expression, no keys that need or exclude
each other, and of a model no more than its parameters.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.spec.load import check

HEAD = "version: 1\nname: test\n"
PIECES = {
    "INPUTS": """\
inputs:
  product: {type: string, default: lamp}
  styles: {type: list, of: string, default: [neon]}
  photo: {type: file, kind: image, required: false}
  ratio: {type: enum, values: ["1:1", "5:4"], default: "1:1"}
""",
    "STILL": "  still = generate {model: z-image, prompt: a lamp}\n",
    "LAST": "  last = generate {model: z-image, prompt: a lamp}\n",
    "STILLS": """\
  stills:
    uses: generate
    matrix: {style: [neon, noir]}
    with: {model: z-image, prompt: "a lamp, ${{ matrix.style }}"}
""",
    "SCRIPT": "  script = chat {model: gemini-2-5-flash-chat, message: Hi, expect: {visual: string, tags: [string]}}\n",
    "LINES": """\
  lines:
    uses: chat
    foreach: [calm, bold]
    with: {model: gpt-5-2-chat, message: Hi, expect: {score: number, why: string}}
""",
    "RATED": """\
  rated:
    uses: chat
    foreach: ${{ steps.stills.assets }}
    with: {model: gemini-2-5-flash-chat, message: rate, attachments: ["${{ item }}"], expect: {score: number}}
""",
    "MEDIA": """\
  film = generate {model: veo3-1-lite, prompt: a lamp}
  voice = generate {model: elevenlabs-turbo-2-5, prompt: Hello, params: {voice: TX3LPaxmHKxFdv7VOQHJ}}
  reel = compose {clips: [clip.mp4], formats: ["1:1", "9:16"], extras: [gif]}
""",
}
FRAMES = {
    "a whole file": "…\n",
    "the first lines": "…\nsteps:\nSTILL\n",
    "keys of the spec": HEAD + "…\nsteps:\nSTILL\n",
    "an input": HEAD + "inputs:\n  …\nsteps:\nSTILL\n",
    "steps": HEAD + "steps:\n…\n",
    "steps with inputs": HEAD + "INPUTS\nsteps:\n…\n",
    "what follows a still": HEAD + "steps:\nSTILL\n…\n",
    "what follows a still, with inputs": HEAD + "INPUTS\nsteps:\nSTILL\n…\n",
    "what follows a script and a still": HEAD + "steps:\nSCRIPT\nSTILL\n…\n",
    "a matrix of stills": HEAD
    + """\
steps:
  stills:
    uses: generate
    matrix: {…}
    with: {model: z-image, prompt: "a lamp, ${{ matrix.style }}"}
""",
    "an output of a still": HEAD + "steps:\nSTILL\noutputs:\n  a: …\n",
    "an output of stills": HEAD + "steps:\nSTILLS\noutputs:\n  a: ${{ … }}\n",
    "an output with inputs": HEAD + "INPUTS\nsteps:\nSTILL\noutputs: {a: …}\n",
    "a fallback of a still": HEAD + "steps:\nSTILL\n    fallback: …\n",
    "a pick of stills": HEAD
    + "steps:\nSTILLS\n  b = pick {from: '${{ steps.stills.items }}', …}\n",
    "a deployment": HEAD + "steps:\nSTILL\ndeploy:\n  - …\n",
    "a deployment with inputs": HEAD
    + """\
inputs: {product: {type: string}, count: {type: integer, default: 1}}
steps:
  still = generate {model: z-image, prompt: '${{ inputs.product }}'}
deploy:
  - {name: a, …}
""",
    "clips": HEAD + "INPUTS\nsteps:\nSTILL\nSCRIPT\nMEDIA\n  spot = compose {clips: […]}\n",
    "compose": HEAD
    + "INPUTS\nsteps:\nSTILL\nSCRIPT\nMEDIA\n  spot = compose {clips: [clip.mp4], …}\n",
    "compose without clips": HEAD + "INPUTS\nsteps:\nSTILL\nSCRIPT\nMEDIA\n  spot = compose {…}\n",
    "layout": HEAD + "INPUTS\nsteps:\nSTILL\nSCRIPT\nMEDIA\n  spot = layout {…}\n",
}


def expand(text: str) -> str:
    """Writes out pieces, steps of one line, and repetitions: ‹a, ›×3 is a, a, a, ."""
    text = re.sub(r"(?m)^([A-Z]+)\n", lambda found: PIECES.get(found[1], found[0]), text)
    text = re.sub(r"(?m)^  (\S.*?) = (\w+) (\{.*\})$", r"  \1:\n    uses: \2\n    with: \3", text)
    return re.sub(r"‹(.*?)›×(\d+)", lambda found: found[1] * int(found[2]), text)


STILL, SCRIPT = expand("STILL\n"), expand("SCRIPT\n")
TOPICS: dict[str, dict[str, tuple[str, str, str]]] = {}
"""Of each topic the code, marked text and hint of its wrong specs, by their names."""
ACCEPTED_BY_SCHEMA: set[str] = set()


def framed(frame: str, text: str) -> str:
    """A spec: the text in its frame."""
    return expand(FRAMES[frame].replace("…", text))


def _read(path: Path) -> dict[str, tuple[str, str, str]]:
    found = {}
    for section in re.split(r"(?m)^== ", path.read_text("utf-8"))[1:]:
        frame, _, rest = section.strip("\n").partition("\n")
        for title, text in re.findall(r"(?m)^(\S.*)\n((?:    .*(?:\n|$))+)", rest):
            name, code, hint = title.split(" | ", 2)
            if name.startswith("~ "):
                name = name.removeprefix("~ ")
                ACCEPTED_BY_SCHEMA.add(name)
            marked = framed(frame, re.sub(r"(?m)^    ", "", text.removesuffix("\n")))
            found[name] = (code, marked, hint)
    return found


for _path in sorted(Path(__file__).parent.glob("*.txt")):
    TOPICS[_path.stem] = _read(_path)
WRONG = {name: wrong for topic in TOPICS.values() for name, wrong in topic.items()}


def diagnostics_of(text: str, folder: Path | None = None) -> tuple[Diagnostic, ...]:
    """What `check` finds in a spec."""
    if folder is None:
        return _diagnostics_of(text)
    return check(text, file="spec.yaml", catalogue=shipped(), folder=folder)[1]


@functools.lru_cache(2_000)
def _diagnostics_of(text: str) -> tuple[Diagnostic, ...]:
    return check(text, file="spec.yaml", catalogue=shipped())[1]


def unmarked(marked: str) -> tuple[str, int, int]:
    """A text without its ☞, and the line and column where that stood."""
    before, _, after = marked.partition("☞")
    return before + after, before.count("\n") + 1, len(before) - before.rfind("\n")


def assert_one_diagnostic(code: str, marked: str, hint: str) -> None:
    """Checks that a wrong spec has one diagnostic, at its mark, with the fix."""
    text, line, column = unmarked(marked)
    found = diagnostics_of(text)
    shown = "\n".join(map(str, found))
    assert [(p.line, p.column, p.code) for p in found] == [(line, column, code)], shown
    assert found[0].hint == hint
    assert found[0].message[0].islower() or not found[0].message[0].isalpha()
