"""Where the steps and outputs of a spec stand in its text, for failures that the plan tells."""

from __future__ import annotations

from rivya_flows.errors import Diagnostic
from rivya_flows.language.step_groups import PARTS
from rivya_flows.language.syntax import source
from rivya_flows.language.syntax.tree import Mapping, Mark, lines_of

_NOWHERE = Mark(-1, -1, -1)
_LONGEST_LINE = 300  # a longer one helps nobody


class Located:
    """The places in the text of a spec that has been checked."""

    def __init__(self, text: str) -> None:
        text = text.removeprefix("\ufeff")
        self._lines = lines_of(text)
        self._root = source.read(text)[0]

    def of_step(self, name: str) -> tuple[str, str]:
        """Part and id of a step by its name in the plan; of an included one, its `include` step."""
        parts = [(part, self._held(part)) for part in PARTS]
        words = name.split("__")
        for end in range(len(words), 0, -1):
            step_id = "__".join(words[:end])
            for part, held in parts:
                if held is not None and step_id in held.pairs:
                    return part, step_id
        return "steps", name

    def problem(self, file: str, place: tuple[str, str], message: str) -> Diagnostic:
        """A failure that is known before the run, at the key of a step or an output."""
        held = self._held(place[0])
        mark = held.pairs[place[1]][0] if held and place[1] in held.pairs else _NOWHERE
        line = self._lines[mark.line] if mark.line >= 0 else ""
        shown = line.replace("\t", " ") if len(line) <= _LONGEST_LINE else ""
        return Diagnostic(
            file, mark.line + 1, mark.column + 1, "bad-arguments", message, source=shown
        )

    def _held(self, key: str) -> Mapping | None:
        held = self._root.get(key) if isinstance(self._root, Mapping) else None
        return held if isinstance(held, Mapping) else None
