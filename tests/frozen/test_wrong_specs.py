"""Where each wrong spec of `support.wrong_specs` is wrong, and in which words.

Code, place and severity stay exactly as they are. The words are a golden file of their own: a better
message or hint is a deliberate change of its line, and of nothing else.
"""

from __future__ import annotations

import json
import re

from frozen.conftest import Stage
from frozen.golden import compare
from support.wrong_specs import WRONG


def test_a_wrong_spec_is_wrong_at_the_same_place_and_in_words_at_least_as_good(
    stage: Stage,
) -> None:
    places: dict[str, list[str]] = {}
    words: dict[str, list[list[str | None]]] = {}
    for name, (_, marked, _) in WRONG.items():
        path = stage.folder / (re.sub(r"\W+", "-", name).strip("-") + ".yaml")
        assert not path.with_suffix(".seen").exists(), f"{name} has the file name of another one"
        path.write_text(marked.replace("☞", ""), "utf-8", newline="")
        found = stage.said("check", path)["printed"]
        rows = [("mistake", one) for one in found["problems"]]
        rows += [("warning", one) for one in found["warnings"]]
        places[name] = [f"{kind} {one['line']}:{one['column']} {one['code']}" for kind, one in rows]
        words[name] = [[one["message"], one["hint"]] for _, one in rows]
        path.rename(path.with_suffix(".seen"))  # beside the next one it might be found
    compare("wrong-specs-places", places)
    compare("wrong-specs-words", json.loads(json.dumps(words).replace(str(stage.folder), "<tmp>")))
