"""What a step with `repeat` is in a plan: it runs nothing itself, and gives what its last round gave."""

from __future__ import annotations

from functools import cache

from rivya_flows.steps.kind import Kind


class Repeated(Kind):
    """The kind of a step whose rounds are steps of their own, of another kind."""

    passes_on = True
    is_quick = True

    def __init__(self, kind: Kind) -> None:
        self.uses, self.brackets = kind.uses, kind.brackets
        self.outputs = (*kind.outputs, "rounds", "met")
        self.gives_media, self.is_for_results = kind.gives_media, kind.is_for_results


repeated = cache(Repeated)
