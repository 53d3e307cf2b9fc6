"""Names and phrases that the code does not use, and what to write instead.

`scripts/words` reads all code of the distributions; `scripts/words PATH…` what is below PATH.
It prints each place as `path:line: found: what to write`, and ends with 1 if there is one.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ("src", "flows", "tasks", "scripts", "packages")

PARTICIPLE = re.compile(
    r"[a-z]+ed|begun|bought|broken|brought|built|caught|chosen|done|drawn|found|given|gone|held"
    r"|hidden|kept|known|laid|left|lent|lost|made|meant|paid|said|seen|sent|shown|sought|sold"
    r"|spent|spoken|stolen|struck|taken|taught|thought|told|torn|understood|written"
)
VERBS = frozenset(
    {"embed", "exceed", "feed", "need", "proceed", "seed", "shed", "shipped", "speed", "succeed"}
)
"""Words that look like participles and are verbs; and `shipped`, the catalogue of the package."""

NAMES = {
    "told": "a noun: message, lines, text",
    "said": "a noun: message, answer, text",
    "heard": "a noun: event, answer",
    "kept": "a noun: stored, asset, rest",
    "shown": "a noun: text, label, view",
    "meant": "a noun: target, choice",
    "words": "message, text, sentence, label, terms",
    "others": "what they are: rest, siblings, duplicates",
}
"""Words that are no name of a function, a class or a value."""

ALLOWED = {
    "packages/cut": {"words"},
    "packages/sandbox": {"words"},
    "src/rivya_flows/queue/events.py": {"others"},
    "src/rivya_flows/receipt/model.py": {"others", "words"},
}
"""Where a word of `NAMES` is the subject itself, as words of captions, or a field of published JSON."""

PHRASES = {
    r"(?:[Ii]s|[Aa]re) told": "gets, is called with",
    r"told": "say who sends what to whom",
    r"nobody": "no one, or name the actor: no process, no run",
    r"whoever": "a person who, a caller that",
    r"anew": "again",
    r"meanwhile": "while …",
    r"in place of": "instead of",
    r"goe?s? on": "continues",
    r"None (?:where|for none)": "None: …, or None if …",
    r"(?:that|which) is none": "that is not one",
    r"what is to|(?:is|are) to be": "must be, will be",
    r"brought home": "downloaded",
    r"as ever": "as before",
}
"""Phrases of no docstring, comment or message."""

_PHRASE = re.compile("|".join(rf"(\b(?:{one})\b)" for one in PHRASES))


def find(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, what was found, what to write) of a Python file."""
    source = path.read_text(encoding="utf-8")
    allowed = {
        word
        for folder, words in ALLOWED.items()
        if path.resolve().is_relative_to(ROOT / folder)
        for word in words
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_participle(node):
            yield node.lineno, f"function {node.name}", "a verb, or a noun for what it returns"
        for name, line in _names(node):
            word = name.strip("_").lower()
            if word in NAMES and word not in allowed:
                yield line, f"name {name}", NAMES[word]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for at, text in enumerate(node.value.splitlines()):
                yield from _phrases(node.lineno + at, text)
    for number, text in enumerate(source.splitlines(), 1):
        if "#" in text:
            yield from _phrases(number, text.split("#", 1)[1])


def _phrases(line: int, text: str) -> Iterator[tuple[int, str, str]]:
    for one in _PHRASE.finditer(text):
        yield line, f"'{one[0]}'", list(PHRASES.values())[(one.lastindex or 1) - 1]


def _is_participle(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether one word that is a participle names a function; a property may be one."""
    if any("property" in ast.unparse(one) for one in node.decorator_list):
        return False
    name = node.name.strip("_")
    return name not in VERBS and PARTICIPLE.fullmatch(name) is not None


def _names(node: ast.AST) -> Iterator[tuple[str, int]]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name, node.lineno
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            yield name, node.lineno
        case ast.arg():
            yield node.arg, node.lineno


def main() -> int:
    """Print what is found below the arguments, or in all code."""
    folders = [Path(one) for one in sys.argv[1:]] or [ROOT / one for one in CODE]
    if missing := [one for one in folders if not one.exists()]:
        print(f"{missing[0]}: there is no such file or folder below {ROOT}", file=sys.stderr)
        return 2
    files = [
        path
        for folder in folders
        for path in ([folder] if folder.is_file() else sorted(folder.rglob("*.py")))
        if "tests" not in path.parts and path.name != "words.py"
    ]
    count = 0
    for path in files:
        for line, found, instead in sorted(set(find(path))):
            print(f"{path}:{line}: {found}: {instead}")
            count += 1
    print(f"{count} found")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
