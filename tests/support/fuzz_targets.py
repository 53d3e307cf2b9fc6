"""What reads bytes of others, each as a function that takes any bytes.

A target returns whatever happens: only errors that are documented may come out, what comes out is
no larger than its bound, and it ends. The corpus in ``tests/fuzz/corpus/<target>`` holds a seed of
each shape and every find; ``tests/security/test_fuzz.py`` replays it, ``scripts/fuzz`` adds to it.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_client.chat_stream import Answering, EventDecoder
from rivya_client.responses import read_answer, refusal
from rivya_client.types import (
    ChatCompletion,
    ChatSession,
    Credits,
    Document,
    File,
    Generation,
    Listing,
    ModelList,
    SigningSecret,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookTest,
)
from rivya_client.webhook_signatures import WebhookError, sign_webhook, verify_webhook
from rivya_client.wire import WireModel
from rivya_cut.reading import probe
from rivya_flows.errors import APIError, MediaError, SpecError, StoreError, UsageError
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from rivya_flows.language.expressions.values import checked_size
from rivya_flows.money.quotes import read_quote, signature_of
from rivya_flows.preparation.spec_file import SpecFile, read_spec
from rivya_flows.queue.events import dump, parse
from rivya_flows.receipt.contact_sheet import contact_sheet
from rivya_flows.receipt.model import Receipt
from rivya_flows.spec.load import check
from support.prepared_specs import prepared
from support.receipts import parsed

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
NOW = 1_800_000_000
SECRET = "whsec_0123456789abcdef"
LONGEST_MESSAGE = 10_000
"""Characters of an error: it may stand in a log, a receipt and a terminal."""

Target = Callable[[bytes], object]


def seeds(name: str) -> list[Path]:
    """The corpus of a target, in a fixed order."""
    return sorted((CORPUS / name).iterdir())


def loader(data: bytes) -> None:
    """A spec in a file: read, checked, and expanded to a priced plan."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "spec.yaml")
        path.write_bytes(data)
        try:
            spec = read_spec(path)
        except UsageError as error:
            _short(error)
            return
        workflow, problems = check(spec.text, file="spec.yaml", catalogue=shipped(), folder=None)
        assert (workflow is None) is bool(problems)
        for problem in problems:
            _short(str(problem))
            json.dumps(problem.as_json())
        if workflow is not None and not any(one.required for one in workflow.inputs.values()):
            with contextlib.suppress(SpecError, UsageError, MediaError, StoreError):
                prepared(SpecFile(spec.text, "spec.yaml", Path(folder)), {}, Path(folder))


SCOPE: Mapping[str, Any] = {
    "inputs": {
        "text": "Aurora desk लैंप",
        "number": 2.5,
        "whole": 3,
        "yes": True,
        "nothing": None,
        "list": ["a", "b", 1, None, ["x"], {"key": "k"}],
        "large": "ab " * 20_000,
    },
    "steps": {
        "still": {"asset": {"kind": "image", "sha256": "0" * 64}, "by": {"a": {"key": "a"}}},
        "skipped": {"asset": None},
    },
    "matrix": {"style": "neon"},
    "item": {"key": "k", "2": "two"},
}


def expressions(data: bytes) -> None:
    """A text with expressions in it."""
    try:
        value = evaluate(data.decode("utf-8", "surrogateescape"), SCOPE)
    except (ExpressionError, UsesNull) as error:
        _short(error)
        return
    checked_size(value)
    json.dumps(value)


def sse(data: bytes) -> None:
    """A streamed chat answer; the first byte says how it is cut."""
    step, decoder, answering = (data[0] if data else 0) + 1, EventDecoder(), Answering("POST /x")
    body, text = data[1:], ""
    try:
        for begin in range(0, len(body), step):
            for event in decoder.feed(body[begin : begin + step]):
                text += answering.take(event)
        for event in decoder.flush():
            text += answering.take(event)
    except APIError as error:
        _short(error)
        pickle.loads(pickle.dumps(error))
    assert len(answering.text) <= len(data) + 1
    answering.text.encode()
    answering.whole().model_dump_json()


SHAPES: tuple[type[WireModel], ...] = (
    Generation,
    ModelList,
    Credits,
    File,
    ChatCompletion,
    ChatSession,
    WebhookEndpoint,
    WebhookEvent,
    WebhookDelivery,
    WebhookTest,
    SigningSecret,
    Document,
    Listing[ChatSession],
    Listing[WebhookDelivery],
)


def answers(data: bytes) -> None:
    """An answer of the service; the first byte says to what."""
    which, body = (data[0] if data else 0), data[1:]
    error = refusal(429, {"retry-after": body[:20].decode("latin-1")}, body, NOW)
    _short(error)
    pickle.loads(pickle.dumps(error))
    try:
        read = read_answer("GET /x", 200, body, SHAPES[which % len(SHAPES)])
    except APIError as failed:
        _short(failed)
        return
    if isinstance(read, ModelList):
        for model in from_wire(read.payload, date="2026-01-01", source="live").models.values():
            repr(model)
    else:
        json.dumps(read.model_dump(mode="json"), ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )


def media(data: bytes) -> None:
    """A file that the service calls a result."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result")
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # Pillow's, of strange tags
                found = probe(path)
        except MediaError as error:
            _short(error)
            return
        assert found.size_bytes == len(data)
        assert (found.width or 1) > 0
        assert (found.height or 1) > 0


def webhook(data: bytes) -> None:
    """A delivery: lines with time and signature, then the body; also signed by a holder."""
    time, _, rest = data.partition(b"\n")
    signature, _, body = rest.partition(b"\n")
    given = {
        "X-Rivya-Timestamp": time.decode("latin-1"),
        "x-rivya-signature": signature.decode("latin-1"),
    }
    signed = {
        "X-Rivya-Timestamp": str(NOW),
        "X-Rivya-Signature": f"v1={sign_webhook(body, SECRET, NOW)}",
    }
    for headers in (given, signed):
        try:
            event = verify_webhook(body, headers, [SECRET], NOW)
        except WebhookError as error:
            _short(error)
        else:
            assert headers is signed, "nobody knew the secret"
            event.model_dump_json()


def receipt(data: bytes) -> None:
    """An entry of a journal, and the texts of others in the receipt that the page shows."""
    with contextlib.suppress(ValueError, RecursionError):
        parse(dump(parse(data.decode("utf-8", "replace"))))
    text = data.decode("utf-8", "surrogateescape")
    page = contact_sheet(_receipt_of(text), _nowhere)
    assert len(page) < 200_000 + 1_000 * len(text)
    assert "<script src" not in page


def quote(data: bytes) -> None:
    """The file of a quote, which may come from anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quote.json"
        path.write_bytes(data)
        try:
            file = read_quote(path)
        except UsageError as error:
            _short(error)
            return
    assert signature_of(file.signed, SECRET) != file.quote.signature


_NOON = "2026-11-25T12:00:00.000Z"


def _receipt_of(text: str) -> Receipt:
    """A receipt all of whose words somebody else chose."""
    asset = {"kind": "image", "sha256": text, "mime_type": text, "url": text, "path": None}
    wait = {"asked_at": _NOON, "answered_at": None}
    item = {"key": text, "reason": text, "model": text, "prompt": text, "params": {text: text}, "text": text,
            "task_ids": [text], "assets": [asset], "credits": 1, "began_at": _NOON, "waits": [wait]}  # fmt: skip
    step = {"id": text, "uses": text, "title": text, "credits": 1, "items": [item]}
    maker = {
        "step": text,
        "key": text,
        "model": text,
        "prompt": text,
        "task_id": text,
        "parents": [text],
    }
    card = asset | {"given_as": text, "made_by": maker}
    row = {"step": text, "key": text, "model": text, "final": 1, "held": 1, "task_id": text}
    return parsed(
        {"name": text, "title": text, "run_id": text, "status": "failed", "service": text, "inputs": {text: text},
         "outputs": {text: text}, "steps": [step, step | {"id": "b", "needs": [text]}], "ledger": [row],
         "credits": {"spent": 1}, "execution_times": [{"began_at": _NOON, "ended_at": None}], "assets": [card]}
    )  # fmt: skip


def _nowhere(sha256: str) -> Path:
    raise KeyError(sha256)


def _short(error: object) -> None:
    assert len(str(error)) < LONGEST_MESSAGE
    assert len(str(getattr(error, "hint", None))) < LONGEST_MESSAGE


TARGETS: dict[str, Target] = {
    "loader": loader,
    "expressions": expressions,
    "sse": sse,
    "answers": answers,
    "media": media,
    "webhook": webhook,
    "receipt": receipt,
    "quote": quote,
}
