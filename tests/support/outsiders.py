"""Reviewers outside: a run that asks, a receiver that serves its links, and people who open them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from rivya_flows.queue.events import AnswerGiven
from rivya_flows.receiver.addresses import SECRET_NAME, review_address
from rivya_flows.store import links
from rivya_flows.store.links import Link
from rivya_flows.store.secrets import shared_secret
from support.engine_runs import Studio
from support.receiver_stage import Stage, receiving

PICK = """
version: 1
name: launch
budget: {credits: 40}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: human
      question: Which lamp?
      none: {rounds: 2}
  poster:
    uses: generate
    with: {model: nano-banana, prompt: a poster, references: ["${{ steps.hero.asset }}"]}
"""
REVIEW = """
version: 1
name: launch
budget: {credits: 40}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: a lamp}
  sign_off:
    uses: review
    with:
      media: ["${{ steps.still.asset }}", A lamp for every desk.]
      question: Ready to publish?
      reviewers: [legal, brand]
      changes: {redo: [still], rounds: 2}
      timeout: 72h
outputs: {still: "${{ steps.sign_off.media }}"}
"""
_FIELD = re.compile(r'name="page" value="([^"]+)"')


@dataclass
class Outside:
    """A run that waits for an answer, seen from outside."""

    studio: Studio
    stage: Stage
    run_id: str = "run-1"

    def link(self, name: str = "legal", step: str = "hero", *, hours: float = 72) -> str:
        """The path of a new link."""
        at = datetime.now(UTC)
        [made] = links.create(
            self.stage.journal.engine,
            self.run_id,
            (step, ""),
            [name],
            "ana",
            at,
            at + timedelta(hours=hours),
        )
        return self.path(made)

    def path(self, link: Link) -> str:
        """Of a link."""
        return review_address("", shared_secret(self.stage.journal.engine, SECRET_NAME), link)

    def revoke(self, name: str = "legal") -> None:
        """Ends the links of a reviewer."""
        engine = self.stage.journal.engine
        found = [one.id for one in links.links_of(engine, self.run_id) if one.reviewer == name]
        links.revoke(engine, found, datetime.now(UTC))

    def page(self, path: str, **headers: str) -> httpx.Response:
        """What a browser shows."""
        return self.stage.get(path, **headers)

    def answer(
        self,
        path: str,
        *answers: str,
        note: str = "",
        page: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """What the form of an open page sends; `page` is its hidden field, else read from the page now."""
        fields = {"answer": [*answers], "note": note, "page": page or self.token(path), **more}
        # As a browser sends the form of a page without referrers.
        sent = {"Origin": "null", "Sec-Fetch-Site": "same-origin", **(headers or {})}
        return self.stage.client.post(path, data=fields, headers=sent)

    def token(self, path: str) -> str:
        """The hidden field of a page; "" if it has no form."""
        found = _FIELD.search(self.page(path).text)
        return html.unescape(found[1]) if found else ""

    @property
    def journaled(self) -> list[tuple[str, str | None, str]]:
        """The answers in the journal: what, who, and the note."""
        entries = [one.event for one in self.stage.journal.entries(self.run_id)]
        found = [one for one in entries if isinstance(one, AnswerGiven)]
        return [(one.answer, one.by.name, one.note) for one in found]


@contextmanager
def outside(studio: Studio, spec: str = PICK, **options: Any) -> Iterator[Outside]:
    """A run of a spec that waits, and the receiver of its store."""
    studio.started(spec)
    with receiving(
        f"sqlite:///{studio.folder / 'journal.sqlite'}", studio.folder, **options
    ) as stage:
        yield Outside(studio, stage)
