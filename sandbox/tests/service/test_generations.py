"""Generations of the sandbox: what is refused, what comes back, and its media."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from rivya_sandbox.service import catalogue
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from rivya_sandbox.service.validation import generation
from support.sandbox_calls import code, credits, customer, ended, fetch, order, png, upload

CATALOGUE = catalogue.shipped()
LAMP = {"model": "z-image", "prompt": "A lamp"}
VOICE = {"voice": "TX3LPaxmHKxFdv7VOQHJ"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("generations") / "data") as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with customer(sandbox, credits=1000) as (client, _):
        yield client


@pytest.mark.parametrize(
    ("change", "said"),
    [
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
    ],
)
def test_what_does_not_fit_its_model_is_refused_and_costs_nothing(
    client: httpx.Client, change: dict[str, Any], said: str
) -> None:
    body = {key: value for key, value in {**LAMP, **change}.items() if value is not None}
    answer = client.post("/api/v1/generations", json=body)
    assert (answer.status_code, code(answer)) == (400, "validation_failed")
    assert said in answer.json()["error"]["message"]
    assert credits(client) == 1000


def test_a_model_that_is_not_open_to_the_api_is_refused() -> None:
    body = CATALOGUE.body.replace(b'"available"', b'"coming_soon"', 1)
    closed = next(model for model in catalogue.parse(body).models.values() if not model.available)
    with pytest.raises(Refusal, match="not available"):
        generation(catalogue.parse(body), {"model": closed.id, "prompt": "x"})


@pytest.mark.parametrize("model", CATALOGUE.models.values(), ids=lambda model: model.id)
def test_every_model_takes_its_own_options_defaults_and_scalars(
    model: catalogue.ServedModel,
) -> None:
    if model.category == "chat":
        return
    needed = {key: param.default for key, param in model.params.items() if param.required}
    if "dialogue" in needed:
        needed["dialogue"] = [{"text": "Hello"}]
    for key, param in model.params.items():
        values: list[Any] = [*param.options, param.min, param.max, param.default]
        if param.default in ("true", "false"):
            values += [True, False]
        if "10" in param.options:
            values += [10]
        for value in [value for value in values if value is not None]:
            body = {"model": model.id, "prompt": "x", "params": {**needed, key: value}}
            checked = generation(CATALOGUE, body).params[key]
            assert isinstance(checked, str) == (param.type in ("select", "text"))


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


def test_the_aspect_ratio_is_kept(client: httpx.Client) -> None:
    job = ended(client, order(client, params={"aspect_ratio": "9:16"}).json()["id"])
    image = Image.open(io.BytesIO(fetch(job["result"]["primary_url"]).content))
    assert image.width * 16 == image.height * 9


def test_equal_seeds_give_equal_media_and_no_seed_gives_others(client: httpx.Client) -> None:
    asked: list[dict[str, Any]] = [{"seed": 7}, {"seed": 7}, {}, {}]
    pictures = []
    for params in asked:
        job = ended(client, order(client, model="qwen2-image", params=params).json()["id"])
        pictures.append(fetch(job["result"]["primary_url"]).content)
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == 3


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


def test_a_failing_rendering_fails_the_job_and_gives_the_credits_back(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    file = upload(client, png()).json()
    # Damaged behind the server's back, so that no renderer can read it.
    (sandbox.data / "files" / file["url"].rpartition("/")[2]).write_bytes(png()[:20])
    job = ended(
        client,
        order(
            client,
            model="nano-banana",
            params={
                "imageSize": "auto",
                "referenceMediaItems": [{"url": file["url"], "kind": "image"}],
            },
        ).json()["id"],
    )
    assert (job["status"], job["error"]["code"]) == ("failed", "generation_failed")
    assert credits(client) == 1000


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
