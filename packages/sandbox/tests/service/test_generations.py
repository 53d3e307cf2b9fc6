"""Generations: fields, settlement and references."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from PIL import Image

from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import code, customer, ended, fetch, order, png, upload


def test_a_job_has_the_fields_of_the_contract_and_ends_once(client: httpx.Client) -> None:
    created = order(client, client_request_id="order-1").json()
    assert sorted(created) == sorted(
        [
            "id",
            "status",
            "model",
            "reserved_credits",
            "final_credits",
            "created_at",
            "updated_at",
            "result",
            "error",
        ]
    )
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
    assert file["duration_seconds"] == 1.0
    for token in (None, "", "dur_x", "dür"):
        items = [_item(file, durationToken=token)]
        answer = order(client, model="wan-2-6", params={"referenceMediaItems": items})
        assert code(answer) == "validation_failed"
    accepted = order(client, model="wan-2-6", params={"referenceMediaItems": [_item(file)]})
    assert accepted.status_code == 202
    both = [_item(file), _item(upload(client, png()).json())]
    assert (
        code(order(client, model="wan-2-6", params={"referenceMediaItems": both}))
        == "validation_failed"
    )
    together = order(client, model="happyhorse-1-0", params={"referenceMediaItems": both})
    assert together.status_code == 202
    films = order(client, model="happyhorse-1-0", params={"referenceMediaItems": both[:1] * 2})
    assert code(films) == "validation_failed"


@pytest.mark.parametrize(
    ("model", "params", "ratio"),
    [
        ("google-imagen4-fast", {}, 16 / 9),
        ("google-imagen4-fast", {"aspect_ratio": "9:16"}, 9 / 16),
        ("z-image", {}, 1),
    ],
)
def test_a_picture_without_a_shape_has_the_default_of_the_catalogue(
    client: httpx.Client, model: str, params: dict[str, Any], ratio: float
) -> None:
    made = ended(client, order(client, model=model, params=params).json()["id"])
    with Image.open(io.BytesIO(fetch(made["result"]["primary_url"]).content)) as picture:
        assert picture.width / picture.height == pytest.approx(ratio)
