"""The base of all answers: unknown fields are kept in bounds, and neither dumped nor shown."""

from __future__ import annotations

import pickle

from rivya_flows.client.types import File, Generation, SigningSecret, WebhookEndpoint
from rivya_flows.client.wire import MAX_EXTRA_FIELDS, MAX_EXTRA_LENGTH, MAX_WORD_LENGTH


def test_unknown_fields_are_kept_but_neither_dumped_nor_shown() -> None:
    job = Generation.from_json(
        b'{"id": "task_1", "eta": {"seconds": 5}, "result": {"urls": ["u"], "expires_at": "t"}}'
    )
    assert job.model_extra == {"eta": {"seconds": 5}}
    assert job.result is not None
    assert job.result.model_extra == {"expires_at": "t"}
    assert "eta" not in job.model_dump()
    assert "eta" not in repr(job)
    assert pickle.loads(pickle.dumps(job)).model_extra == job.model_extra


def test_unknown_fields_have_bounds() -> None:
    many = {f"field_{number}": number for number in range(MAX_EXTRA_FIELDS + 1)}
    assert len(Generation.model_validate({"id": "task_1", **many}).model_extra) == MAX_EXTRA_FIELDS
    large = {"large": "x" * MAX_EXTRA_LENGTH, "n" * (MAX_WORD_LENGTH + 1): 1, "odd": {1, 2}}
    assert Generation.model_validate({"id": "task_1", **large}).model_extra == {}


def test_an_alias_of_a_known_field_is_not_an_unknown_one() -> None:
    file = File.model_validate({"file_id": "file_1", "url": "u", "mimeType": "a/b", "new": 1})
    assert (file.id, file.model_extra) == ("file_1", {"new": 1})


def test_an_endpoint_keeps_no_unknown_field_since_it_could_be_a_secret() -> None:
    told = {"id": "whend_1", "secret": "whsec_1"}
    assert WebhookEndpoint.model_validate(told).model_extra == {}
    assert SigningSecret.model_validate({"signing_secret": "s", "new": "t"}).model_extra == {}
