"""Characters of drawn texts that no font has: they are left out of the picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from rivya_flows.fonts import missing_characters
from rivya_flows.language.checks.final_cut import drawn_texts
from rivya_flows.language.final_cut import CUT_STEPS
from rivya_flows.language.workflow import Workflow

_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)


def left_out(workflow: Workflow) -> Iterator[tuple[str, str]]:
    """Each step that draws texts with characters that no font has, and these; as far as they are written."""
    brand = workflow.branding and workflow.branding.end_card
    for name, step in workflow.all_steps.items():
        if step.uses not in CUT_STEPS:
            continue
        arguments = step.with_.model_dump()
        texts = list(drawn_texts(arguments))
        if isinstance(captions := arguments.get("captions"), dict):
            texts.append(workflow.texts.get(str(PurePosixPath(captions.get("file") or "")), ""))
        if brand and arguments.get("end_card") is not None:
            texts += filter(None, (brand.title, brand.line))
        if missing := missing_characters(_EXPRESSION.sub("", "".join(texts))):
            yield name, missing
