"""Generations: checked, priced, charged once, settled once, served."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from rivya_sandbox.service import accounts, admin, catalogue, wallet
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.options import HOSTILE
from rivya_sandbox.service.prices import price
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from rivya_sandbox.service.validation import generation
from support.sandbox_calls import calling, code, credits, customer, ended, fetch, order, png, upload


def test_a_job_has_the_fields_of_the_contract_and_ends_once(client: httpx.Client) -> None:
    created = order(client, client_request_id="order-1").json()
    assert created.keys() == {
        *("id", "status", "model", "reserved_credits", "final_credits"),
        *("created_at", "updated_at", "result", "error"),
    }
    job = ended(client, created["id"])
    assert job["created_at"] == created["created_at"]
    assert client.get(f"/api/v1/generations/{created['id']}").json() == job


def _item(file: dict[str, Any], **change: Any) -> dict[str, Any]:
    item = {"url": file["url"], "kind": file["kind"], "mimeType": file["mime_type"]}
    if file["duration_token"]:
        item["durationToken"] = file["duration_token"]
    return {**item, **change}


def test_a_reference_is_an_own_upload(sandbox: Sandbox, client: httpx.Client) -> None:
    file = upload(client, png()).json()
    accepted = order(client, model="nano-banana", params={"referenceMediaItems": [_item(file)]})
    assert ended(client, accepted.json()["id"])["status"] == "succeeded"
    result = ended(client, order(client).json()["id"])["result"]["primary_url"]
    with customer(sandbox) as (other, _):
        foreign = upload(other, png()).json()
    wrong = [
        [{"kind": "image"}],
        [_item(file, url="https://example.com/a.png")],
        [_item(file, url=file["url"] + "x")],
        [_item(file, url="http://[")],
        [_item(file, url=result)],
        [_item(foreign)],
        [_item(file, kind="video")],
        [_item(file, width=4)],
        [_item(file, name=4)],
        [_item(file, durationSeconds="4")],
        [_item(file)] * 11,
        "text",
    ]
    for items in wrong:
        answer = order(client, model="nano-banana", params={"referenceMediaItems": items})
        assert code(answer) == "validation_failed", items


def test_a_film_as_reference_needs_its_duration_token(client: httpx.Client) -> None:
    made = ended(client, order(client, model="veo3-1-lite").json()["id"])
    film = fetch(made["result"]["primary_url"]).content
    file = upload(client, film, "a.mp4", kind="video", model="wan-2-6").json()
    assert file["duration_seconds"] == 5.0
    for token in (None, "", "dur_x", "dür"):
        items = [_item(file, durationToken=token)]
        answer = order(client, model="wan-2-6", params={"referenceMediaItems": items})
        assert code(answer) == "validation_failed"
    accepted = order(client, model="wan-2-6", params={"referenceMediaItems": [_item(file)]})
    assert accepted.status_code == 202
    both = [_item(file), _item(upload(client, png()).json())]
    for model, items, status in (
        ("wan-2-6", both, 400),
        ("happyhorse-1-0", both, 202),
        ("happyhorse-1-0", both[:1] * 2, 400),
    ):
        answer = order(client, model=model, params={"referenceMediaItems": items})
        assert answer.status_code == status


def test_a_picture_has_the_shape_that_is_asked_for_or_the_default_of_the_catalogue(
    client: httpx.Client,
) -> None:
    upright = {"aspect_ratio": "9:16"}
    for model, params, ratio in (
        ("google-imagen4-fast", {}, 16 / 9),
        ("google-imagen4-fast", upright, 9 / 16),
        ("z-image", {}, 1),
        ("z-image", upright, 9 / 16),
    ):
        made = ended(client, order(client, model=model, params=params).json()["id"])
        with Image.open(io.BytesIO(fetch(made["result"]["primary_url"]).content)) as picture:
            assert picture.width / picture.height == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("model", "length"),
    [
        ("sora-2", {"n_frames": "10"}),
        ("seedance-1-5-pro", {"duration": "8"}),
        ("happyhorse-1-0", {"duration": 5}),
    ],
)
def test_a_film_lasts_as_the_catalogue_says_where_nothing_is_asked_for(
    model: str, length: dict[str, Any]
) -> None:
    served, image = catalogue.packaged_catalogue(), {"url": "https://a.example/a", "kind": "image"}
    for params in ({}, {"referenceMediaItems": [image]}):
        asked = generation(served, {"model": model, "prompt": "a lamp", "params": params})
        assert length.items() <= asked.params.items()


VOICE = {"voice": "TX3LPaxmHKxFdv7VOQHJ"}


@pytest.mark.parametrize(
    ("body", "mime_types", "count"),
    [
        ({"model": "z-image", "params": {"aspect_ratio": "9:16"}}, {"image/png"}, 1),
        ({"model": "seedream-4-0", "params": {"max_images": 3}}, None, 3),
        ({"model": "veo3-1-lite", "params": {"seeds": 10000}}, {"video/mp4"}, 1),
        ({"model": "elevenlabs-turbo-2-5", "params": VOICE}, {"audio/mpeg"}, 1),
    ],
)
def test_a_result_is_real_media_at_absolute_urls(
    client: httpx.Client, body: dict[str, Any], mime_types: set[str] | None, count: int
) -> None:
    job = ended(client, order(client, **body).json()["id"])
    assert job["status"] == "succeeded", job
    assert job["result"]["primary_url"] == job["result"]["urls"][0]
    assert len(set(job["result"]["urls"])) == count
    for url in job["result"]["urls"]:
        media = fetch(url)
        assert media.status_code == 200
        assert mime_types is None or media.headers["Content-Type"] in mime_types
        part = fetch(url, Range="bytes=2-5")
        assert (part.status_code, part.content) == (206, media.content[2:6])


def test_equal_seeds_give_equal_media_and_no_seed_gives_different_ones(
    client: httpx.Client,
) -> None:
    asked: list[dict[str, Any]] = [{"seed": 7}, {"seed": 7}, {}, {}]
    pictures = []
    for params in asked:
        job = ended(client, order(client, model="qwen2-image", params=params).json()["id"])
        pictures.append(fetch(job["result"]["primary_url"]).content)
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == 3


CATALOGUE = catalogue.packaged_catalogue()
LAMP = {"model": "z-image", "prompt": "A lamp"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "'model'"),
    ({"model": ["z-image"]}, "'model'"),
    ({"model": "z-imag"}, "z-imag"),
    ({"model": "gpt-5-2-chat"}, "chat"),
    ({"prompt": None}, "'prompt'"),
    ({"prompt": "   "}, "'prompt'"),
    ({"prompt": 7}, "'prompt'"),
    ({"prompt": "x" * 1001}, "1000"),
    ({"params": []}, "'params'"),
    ({"params": {"aspect": "1:1"}}, "'aspect'"),
    ({"params": {"aspect_ratio": "2:1"}}, "9:16"),
    ({"params": {"aspect_ratio": None}}, "aspect_ratio"),
    ({"params": {"aspect_ratio": ["1:1"]}}, "aspect_ratio"),
    ({"files": ["a"]}, "referenceMediaItems"),
    ({"seed": 7}, "'seed'"),
    ({"client_request_id": "x" * 129}, "client_request_id"),
    ({"params": {"referenceMediaItems": [{"url": "u", "kind": "image"}]}}, "no reference"),
    ({"model": "elevenlabs-turbo-2-5"}, "'voice'"),
    ({"model": "elevenlabs-turbo-2-5", "params": {**VOICE, "speed": 2}}, "0.7 to 1.2"),
    ({"model": "elevenlabs-turbo-2-5", "params": {**VOICE, "speed": "1"}}, "number"),
    ({"model": "elevenlabs-turbo-2-5", "params": {**VOICE, "next_text": 1}}, "text"),
    ({"model": "seedream-4-0", "params": {"max_images": 1.5}}, "whole"),
    ({"model": "elevenlabs-dialogue-v3"}, "'dialogue'"),
    ({"model": "elevenlabs-dialogue-v3", "params": {"dialogue": []}}, "'dialogue'"),
    ({"model": "elevenlabs-dialogue-v3", "params": {"dialogue": [{"voice": "Adam"}]}}, "text"),
]


def test_a_request_that_is_invalid_for_its_model_costs_nothing(client: httpx.Client) -> None:
    for change, said in WRONG:
        body = {key: value for key, value in {**LAMP, **change}.items() if value is not None}
        answer = client.post("/api/v1/generations", json=body)
        assert (answer.status_code, code(answer)) == (400, "validation_failed"), change
        assert said in answer.json()["error"]["message"]
    assert credits(client) == 1000


def test_a_model_that_is_not_open_to_the_api_is_refused() -> None:
    body = CATALOGUE.body.replace(b'"available"', b'"coming_soon"', 1)
    closed = next(model for model in catalogue.parse(body).models.values() if not model.available)
    with pytest.raises(Refusal, match="not available"):
        generation(catalogue.parse(body), {"model": closed.id, "prompt": "x"})


def test_every_model_accepts_its_own_options_defaults_and_scalars() -> None:
    for model in CATALOGUE.models.values():
        if model.category == "chat":
            continue
        needed = {key: param.default for key, param in model.params.items() if param.required}
        if "dialogue" in needed:
            needed["dialogue"] = [{"text": "Hello"}]
        for key, param in model.params.items():
            values: list[Any] = [*param.options, param.min, param.max, param.default]
            values += [True, False] if param.default in ("true", "false") else []
            values += [10] if "10" in param.options else []
            for value in [value for value in values if value is not None]:
                body = {"model": model.id, "prompt": "x", "params": {**needed, key: value}}
                checked = generation(CATALOGUE, body).params[key]
                assert isinstance(checked, str) == (param.type in ("select", "text")), body


@pytest.mark.parametrize(
    ("model", "params", "prompt", "credits"),
    [
        ("z-image", {}, "x", 1),
        ("z-image", {"aspect_ratio": "9:16"}, "x", 1),
        ("nano-banana-2", {"resolution": "4K"}, "x", 12),  # 5 × 1.5²
        ("wan-2-7-image", {"resolution": "1K"}, "x", 5),  # never below the base price
        ("seedream-4-0", {"max_images": 3}, "x", 18),
        ("sora-2", {"n_frames": "15"}, "x", 9),
        ("sora-2-pro", {"size": "standard"}, "x", 75),
        ("sora-2-pro", {"size": "high"}, "x", 113),
        ("kling-3-0", {"duration": "10", "sound": "true"}, "x", 270),
        ("grok-imagine-video", {"mode": "spicy"}, "x", 10),
        ("elevenlabs-turbo-2-5", {}, "x" * 1000, 6),
        ("elevenlabs-turbo-2-5", {}, "x" * 1001, 12),
        ("elevenlabs-dialogue-v3", {"dialogue": [{"text": "x" * 600}] * 2}, "", 28),
        ("elevenlabs-sound-effect-v2", {}, "x", 3),
        ("elevenlabs-sound-effect-v2", {"duration_seconds": 3.5}, "x", 6),
        ("elevenlabs-sound-effect-v2", {"duration_seconds": 0.5}, "x", 3),
    ],
)
def test_prices_grow_from_the_base_price(
    model: str, params: dict[str, object], prompt: str, credits: int
) -> None:
    assert price(CATALOGUE.models[model], params, prompt) == credits


def test_twenty_equal_requests_at_once_make_one_job_and_one_charge(sandbox: Sandbox) -> None:
    with customer(sandbox) as (client, name):
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: order(client, key="same"), range(20)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1
        replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
        assert sorted(replayed, key=str) == [None] + ["true"] * 19
        ledger = admin.ledger(sandbox.data, account=name)
    assert [job["idempotency_key"] for job in ledger["generations"]] == ["same"]
    assert ledger["balance"] == 99


def test_a_key_keeps_its_first_answer_but_only_for_the_same_body(sandbox: Sandbox) -> None:
    with customer(sandbox) as (client, _), customer(sandbox) as (other, _):
        first = order(client, key="k", params={"aspect_ratio": "9:16"})
        ended(client, first.json()["id"])
        again = client.post(
            "/api/v1/generations",
            content=b'{"params": {"aspect_ratio":"9:16"}, "prompt":"A brass lamp on oak", "model":"z-image"}',
            headers={"Idempotency-Key": "k", "Content-Type": "application/json"},
        )
        assert (again.status_code, again.json()) == (202, first.json())
        conflict = order(client, key="k", prompt="Something else")
        assert (conflict.status_code, code(conflict)) == (409, "idempotency_conflict")
        assert "Idempotent-Replayed" not in order(other, key="k").headers
        assert "Idempotent-Replayed" not in order(client).headers
        assert credits(client) == 98


def test_a_refusal_before_the_charge_leaves_the_key_free(sandbox: Sandbox) -> None:
    with customer(sandbox, credits=0) as (client, name):
        assert code(order(client, key="k", prompt="")) == "validation_failed"
        assert code(order(client, key="k")) == "insufficient_credits"
        admin.add_credits(sandbox.data, 1, account=name)
        accepted = order(client, key="k")
        assert accepted.status_code == 202
        assert "Idempotent-Replayed" not in accepted.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_a_key_must_be_short_and_printable(sandbox: Sandbox, key: str) -> None:
    with customer(sandbox) as (client, _):
        assert code(order(client, key=key)) == "validation_failed"


def test_keys_are_known_after_a_restart_and_forgotten_after_a_day(tmp_path: Path) -> None:
    answers = []
    for hours in (0, 23, 25):
        with (
            running(tmp_path, clock=partial(float, 1e9 + hours * 3600)) as sandbox,
            calling(sandbox) as client,
        ):
            answers.append(order(client, key="k").json()["id"])
    assert answers[0] == answers[1] != answers[2]


def test_a_new_folder_is_granted_credits_once(tmp_path: Path) -> None:
    for _ in range(2):
        with running(tmp_path, credits=70):
            pass
    assert admin.ledger(tmp_path)["balance"] == 70


def test_success_costs_the_price_and_failure_is_refunded(sandbox: Sandbox) -> None:
    with customer(sandbox) as (client, name):
        created = order(client, model="nano-banana-pro")
        assert created.status_code == 202
        assert created.json()["status"] == "queued"
        assert (created.json()["reserved_credits"], created.json()["final_credits"]) == (8, 0)
        assert ended(client, created.json()["id"])["final_credits"] == 8
        admin.set_faults(sandbox.data, "faults: [{on: generation, do: fail, times: 1}]")
        job = ended(client, order(client).json()["id"])
        assert (job["status"], job["final_credits"], job["result"]) == ("failed", 0, None)
        assert job["error"]["code"] == "generation_failed"
        assert credits(client) == 92
        ledger = admin.ledger(sandbox.data, account=name)
    kinds = [(movement["kind"], movement["amount"]) for movement in ledger["movements"]]
    assert kinds == [("grant", 100), ("reserve", -8), ("settle", 0), ("reserve", -1), ("refund", 1)]


def test_a_wallet_is_never_overdrawn_however_many_ask_at_once(sandbox: Sandbox) -> None:
    with customer(sandbox, credits=5) as (client, name):
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: order(client), range(12)))
        accepted = [answer for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code == 402]
        assert (len(accepted), len(refused)) == (5, 7)
        assert {code(answer) for answer in refused} == {"insufficient_credits"}
        for answer in accepted:
            ended(client, answer.json()["id"])
        ledger = admin.ledger(sandbox.data, account=name)
    assert ledger["balance"] == 0
    assert sum(movement["amount"] for movement in ledger["movements"]) == 0
    assert len(ledger["generations"]) == 5


def test_a_job_cannot_be_settled_twice_even_by_a_mistake(tmp_path: Path) -> None:
    with closing(Database(tmp_path)) as database:
        with database.transaction() as transaction:
            account = accounts.account(transaction, "a", now=0)
            wallet.grant(transaction, account, 5, now=0)
            wallet.reserve(transaction, account, 5, "task_1", now=0)
            wallet.refund(transaction, account, 5, "task_1", now=0)
        with pytest.raises(Exception, match="UNIQUE"), database.transaction() as transaction:
            wallet.settle(transaction, account, 5, "task_1", now=0)
        with pytest.raises(Refusal), database.transaction() as transaction:
            wallet.reserve(transaction, account, 6, "task_2", now=0)
        assert wallet.balance(database, account) == 5


def test_a_hostile_service_keeps_refusals_for_their_key(tmp_path: Path) -> None:
    with running(tmp_path, profile="hostile", credits=1) as sandbox, calling(sandbox) as client:
        poor = order(client, key="k")  # z-image costs 1, but here 2 are reserved
        assert (poor.status_code, code(poor)) == (403, "insufficient_credits")
        admin.add_credits(sandbox.data, 100)
        again = order(client, key="k")
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (403, "true")
        bought = order(client, key="k2")
        assert bought.status_code == 201
        job = ended(client, bought.json()["id"])
        assert job["reserved_credits"] == 2
        assert 0 <= job["final_credits"] <= 2
        assert "trace" in bought.json()
        assert "trace" in job
        assert credits(client) == 101 - job["final_credits"]


def test_a_stored_refusal_does_not_replace_an_earlier_answer(tmp_path: Path) -> None:
    with running(tmp_path, profile="hostile") as sandbox, calling(sandbox) as client:
        bought = order(client, key="k")
        wrong = order(client, key="k", params={"unknown": 1})
        assert (wrong.status_code, code(wrong)) == (400, "validation_failed")
        again = order(client, key="k")
        assert (again.status_code, again.json()) == (201, bought.json())
        assert again.headers["Idempotent-Replayed"] == "true"


def test_result_urls_of_a_hostile_service_expire_and_are_renewed(tmp_path: Path) -> None:
    now = [1000.0]
    with (
        running(tmp_path, profile="hostile", clock=lambda: now[0]) as sandbox,
        calling(sandbox) as client,
    ):
        job = ended(client, order(client).json()["id"])
        url = job["result"]["primary_url"]
        assert fetch(url).status_code == 200
        assert fetch(url.replace("expires=", "expires=9")).status_code == 404
        assert fetch(url.partition("?")[0]).status_code == 404
        now[0] += 60
        assert code(fetch(url)) == "not_found"
        again = client.get(f"/api/v1/generations/{job['id']}").json()["result"]["primary_url"]
        assert fetch(again).status_code == 200


def test_an_expired_key_buys_again(tmp_path: Path) -> None:
    now = [1000.0]
    forgetful = replace(HOSTILE, key_life_seconds=5)
    with (
        running(tmp_path, profile=forgetful, clock=lambda: now[0]) as sandbox,
        calling(sandbox) as client,
    ):
        ids = []
        for wait in (0, 4, 2):
            now[0] += wait
            ids.append(order(client, key="k").json()["id"])
    assert ids[0] == ids[1] != ids[2]
