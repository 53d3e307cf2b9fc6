"""Mutations of good specs: mistakes as authors make them, and changes that keep the meaning.

Each takes the text of a spec and chance, and gives another text, or None where it finds nothing to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random

import yaml

Mutation = Callable[[str, Random], str | None]

_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
_KEY = re.compile(r"^(\s*(?:- )?)([A-Za-z_]+)(:)(?=\s|$)")


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _replace_span(text: str, span: tuple[int, int], instead: str) -> str:
    return text[: span[0]] + instead + text[span[1] :]


def _scalars(text: str) -> list[yaml.ScalarNode]:
    """The values of a spec that are no keys, in the order of the file."""
    found: list[yaml.ScalarNode] = []
    waiting: list[yaml.Node] = [root] if (root := yaml.compose(text)) is not None else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.ScalarNode):
            found.append(node)
    return sorted(found, key=lambda one: one.start_mark.index)


def _span(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.index, node.end_mark.index


def _typo(word: str, chance: Random) -> str:
    place = chance.randrange(len(word))
    match chance.randrange(3):
        case 0 if len(word) > 1:
            return word[:place] + word[place + 1 :]
        case 1 if place + 1 < len(word):
            return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + chance.choice("aeinorst") + word[place:]


def _change_match(
    pattern: str, text: str, chance: Random, change: Callable[[str], str]
) -> str | None:
    """The text with the first group of one match changed."""
    found = list(re.finditer(pattern, text, re.MULTILINE))
    if not found:
        return None
    one = chance.choice(found)
    return _replace_span(text, one.span(1), change(one[1]))


def _other(names: Sequence[str], chance: Random) -> Callable[[str], str]:
    def other(name: str) -> str:
        return chance.choice([one for one in names if one != name] or ["other"])

    return other


def _names(text: str, part: str) -> list[str]:
    spec = yaml.safe_load(text)
    return list(spec.get(part) or ()) if isinstance(spec, dict) else []


def delete_line(text: str, chance: Random) -> str:
    lines = _lines(text)
    del lines[chance.randrange(len(lines))]
    return "".join(lines)


def delete_entry(text: str, chance: Random) -> str | None:
    """Without one key and all that is below it."""
    lines = _lines(text)
    keys = [place for place, line in enumerate(lines) if _KEY.match(line)]
    if not keys:
        return None
    first = chance.choice(keys)
    indent = len(lines[first]) - len(lines[first].lstrip())
    last = first + 1
    while last < len(lines) and (
        not lines[last].strip() or len(lines[last]) - len(lines[last].lstrip()) > indent
    ):
        last += 1
    return "".join(lines[:first] + lines[last:])


def duplicate_line(text: str, chance: Random) -> str:
    lines = _lines(text)
    place = chance.randrange(len(lines))
    return "".join(lines[: place + 1] + lines[place:])


def change_indent(text: str, chance: Random) -> str:
    lines = _lines(text)
    place = chance.randrange(len(lines))
    line = lines[place]
    lines[place] = line[1:] if line.startswith(" ") and chance.random() < 0.5 else f"  {line}"
    return "".join(lines)


def mistype_key(text: str, chance: Random) -> str | None:
    return _change_match(
        r"^\s*(?:- )?([a-z_]{3,}):(?=\s|$)", text, chance, lambda one: _typo(one, chance)
    )


def mistype_value(text: str, chance: Random) -> str | None:
    words = [one for one in _scalars(text) if re.fullmatch(r"[A-Za-z0-9_:-]{3,}", one.value)]
    if not words:
        return None
    node = chance.choice(words)
    return _replace_span(text, _span(node), _typo(node.value, chance))


def mistype_expression(text: str, chance: Random) -> str | None:
    """One name inside an expression with a typo."""
    words = [
        (one.start() + word.start(), one.start() + word.end())
        for one in _EXPRESSION.finditer(text)
        for word in re.finditer(r"[a-z_]{3,}", one[0])
    ]
    if not words:
        return None
    span = chance.choice(words)
    return _replace_span(text, span, _typo(text[slice(*span)], chance))


def delete_character(text: str, chance: Random) -> str | None:
    places = [place for place, one in enumerate(text) if one in "{}[]$\"'|:"]
    return None if not places else text[: (at := chance.choice(places))] + text[at + 1 :]


def change_number(text: str, chance: Random) -> str | None:
    numbers = [one for one in _scalars(text) if one.tag.endswith((":int", ":float"))]
    if not numbers:
        return None
    node = chance.choice(numbers)
    choices = ["0", "-1", "1", "100000", "0.5", f"{node.value}0", f'"{node.value}"']
    return _replace_span(text, _span(node), chance.choice(choices))


def change_type(text: str, chance: Random) -> str | None:
    node = chance.choice(_scalars(text))
    return _replace_span(
        text, _span(node), chance.choice(["[1, two]", "{a: b}", "null", "true", "7"])
    )


def swap_values(text: str, chance: Random) -> str | None:
    flat = [one for one in _scalars(text) if one.style not in ("|", ">")]
    if len(flat) < 2:
        return None
    first, second = sorted(chance.sample(flat, 2), key=lambda one: one.start_mark.index)
    one, two = text[slice(*_span(first))], text[slice(*_span(second))]
    return _replace_span(_replace_span(text, _span(second), one), _span(first), two)


def change_step(text: str, chance: Random) -> str | None:
    """A reference to another step."""
    names = _names(text, "steps")
    return _change_match(r"\bsteps\.([a-z][a-z0-9_]*)", text, chance, _other(names, chance))


def change_input(text: str, chance: Random) -> str | None:
    names = _names(text, "inputs")
    return _change_match(r"\binputs\.([a-z][a-z0-9_]*)", text, chance, _other(names, chance))


def change_field(text: str, chance: Random) -> str | None:
    """Another field of a step."""
    fields = ("asset", "assets", "items", "json", "text", "status", "item", "by", "outputs", "key")
    return _change_match(r"\bsteps\.[a-z0-9_]+\.([a-z_]+)", text, chance, _other(fields, chance))


def change_model(text: str, chance: Random) -> str | None:
    models = ("z-image", "veo3-1-lite", "elevenlabs-turbo-2-5", "suno-sounds", "nano-banana-2",
              "seedream-5-lite", "gemini-2-5-flash-chat", "kling-2-6")  # fmt: skip
    return _change_match(r"\bmodel: ([a-z0-9-]+)", text, chance, _other(models, chance))


def change_kind(text: str, chance: Random) -> str | None:
    kinds = ("generate", "chat", "pick", "compose", "layout", "upload", "notify", "include")
    return _change_match(r"\buses: ([a-z]+)", text, chance, _other(kinds, chance))


def change_filter(text: str, chance: Random) -> str | None:
    filters = (
        "first",
        "last",
        "join(', ')",
        "length",
        "upper",
        "slug",
        "json",
        "int",
        "default(none)",
    )
    places = [
        (one.start() + found.start(1), one.start() + found.end(1))
        for one in _EXPRESSION.finditer(text)
        for found in re.finditer(r"\| *([a-z]+(?:\([^()]*\))?)", one[0])
    ]
    closing = [one.end() - 2 for one in _EXPRESSION.finditer(text)]
    if places and chance.random() < 0.5:
        return _replace_span(text, chance.choice(places), chance.choice(filters))
    if not closing:
        return None
    at = chance.choice(closing)
    return f"{text[:at]}| {chance.choice(filters)} {text[at:]}"


def move_line(text: str, chance: Random) -> str:
    lines = _lines(text)
    moved = lines.pop(chance.randrange(len(lines)))
    lines.insert(chance.randrange(len(lines) + 1), moved)
    return "".join(lines)


MISTAKES: Mapping[str, Mutation] = {
    one.__name__: one
    for one in (
        delete_line, delete_entry, duplicate_line, change_indent, mistype_key, mistype_value,
        mistype_expression, delete_character, change_number, change_type, swap_values, change_step,
        change_input, change_field, change_model, change_kind, change_filter, move_line,
    )
}  # fmt: skip
"""Mistakes: `check` or the plan refuses each, or it makes another good spec."""


def _dump(spec: object, *, flow: bool = False) -> str:
    text: str = yaml.safe_dump(
        spec, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=flow
    )
    return text


def quote_all(text: str, chance: Random) -> str:
    """All values in the style that a program writes."""
    return _dump(yaml.safe_load(text), flow=chance.random() < 0.5)


def shuffle_keys(text: str, chance: Random) -> str:
    """The keys of each map but those whose order counts: axes, inputs of a form, outputs."""
    ordered = ("matrix", "zip", "inputs", "outputs", "values", "expect", "fields")

    def shuffled(value: object, name: str = "") -> object:
        if isinstance(value, list):
            return [shuffled(one) for one in value]
        if not isinstance(value, dict):
            return value
        keys = list(value)
        if name not in ordered:
            chance.shuffle(keys)
        return {key: shuffled(value[key], str(key)) for key in keys}

    spec = yaml.safe_load(text)
    return _dump(shuffled(spec))


def add_comments(text: str, chance: Random) -> str:
    """Comments and empty lines before keys of the first two levels."""
    lines: list[str] = []
    for line in _lines(text):
        if re.match(r" {0,2}[a-z_]+:", line) and chance.random() < 0.5:
            lines.append(chance.choice(["\n", "# a note\n", "  # steps: {}\n"]))
        lines.append(line)
    return "".join(lines)


def rename_step(text: str, chance: Random) -> str | None:
    return _renamed(text, "steps", chance)


def rename_input(text: str, chance: Random) -> str | None:
    return _renamed(text, "inputs", chance)


def _renamed(text: str, part: str, chance: Random) -> str | None:
    """A step or an input with another name, wherever it is named."""
    spec = yaml.safe_load(text)
    # Answers are given to picks by name.
    names = [name for name, one in (spec.get(part) or {}).items() if one.get("uses") != "pick"]
    if not names:
        return None
    old = chance.choice(names)
    new = f"{old}_x"

    def renamed(value: object) -> object:
        if isinstance(value, str):
            return _EXPRESSION.sub(
                lambda one: re.sub(rf"\b{part}\.{old}\b", f"{part}.{new}", one[0]), value
            )
        if isinstance(value, list):
            return [renamed(one) for one in value]
        if isinstance(value, dict):
            return {key: renamed(one) for key, one in value.items()}
        return value

    found = renamed(spec)
    assert isinstance(found, dict)
    found[part] = {new if name == old else name: one for name, one in found[part].items()}
    for step in found["steps"].values():
        if part == "steps" and "needs" in step:
            step["needs"] = [new if one == old else one for one in step["needs"]]
    for one in (found.get("deploy") or ()) if part == "inputs" else ():
        for given in (one, *(one.get("triggers") or ())):
            if old in (given.get("inputs") or {}):
                given["inputs"][new] = given["inputs"].pop(old)
    return _dump(found)


HARMLESS: Mapping[str, Mutation] = {
    one.__name__: one for one in (quote_all, shuffle_keys, add_comments, rename_step, rename_input)
}
"""Changes that keep what a spec means: never refused, and never another price."""
