"""Events as journals hold them, also those of early versions."""

from __future__ import annotations

import json

from rivya_flows.planning.queue.event_codec import dump, parse, unique_name
from rivya_flows.planning.queue.events import FileUploaded, PurchaseIntended
from rivya_flows.steps.request import UploadedFile
from support.campaigns import a_set, until
from support.naive_service import asset

UPLOADED = FileUploaded(
    source="/lamp.png",
    media="image",
    model="z-image",
    file=UploadedFile(id="file_1", url="https://media.example/lamp.png"),
    asset=asset("image", "lamp"),
)


def test_only_what_must_not_be_repeated_has_a_name() -> None:
    run = a_set(1, 9)
    run.take_up()
    until(run, PurchaseIntended)
    named = {event.kind: unique_name(event) for event in run.journal}
    assert named["run.frozen"] == "frozen"
    assert named["purchase.intended"] == "purchase stills[0] 1"
    assert {
        name for kind, name in named.items() if kind not in ("run.frozen", "purchase.intended")
    } == {None}


def test_a_reference_of_an_early_journal_takes_its_kind_from_the_upload() -> None:
    early = json.loads(dump(UPLOADED))
    assert parse(json.dumps(early)) == UPLOADED
    del early["asset"]["kind"]
    read = parse(json.dumps(early))
    assert isinstance(read, FileUploaded)
    assert read == UPLOADED
