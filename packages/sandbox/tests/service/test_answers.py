"""Rehearsed chat answers."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling

URL = "/api/v1/chat/completions"
MODEL = "gpt-5-2-chat"
SHAPE = '\n\nAnswer with one JSON object and nothing else, of this shape: {"score":"number"}'
REPEAT = "That answer could not be used: it holds no JSON object."


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


def said(client: httpx.Client, message: str, model: str = MODEL, session: str | None = None) -> str:
    """The text of an answer."""
    body = {"model": model, "message": message, "session_id": session}
    sent = {name: value for name, value in body.items() if value is not None}
    return str(client.post(URL, json=sent).json()["message"]["content"])


def test_the_first_answer_whose_words_the_message_contains_is_given(sandbox: Sandbox) -> None:
    admin.set_answers(
        sandbox.data,
        """
        - {when: Judge the stills, model: gemini-2-5-flash-chat, text: other model}
        - {when: judge the STILLS, json: {scores: [{candidate: 1, score: 42}], label: गरम}}
        - {when: stills, text: second}
        """,
    )
    with calling(sandbox) as client:
        assert json.loads(said(client, "Please judge  the\nstills.")) == {
            "scores": [{"candidate": 1, "score": 42}],
            "label": "गरम",
        }
        assert said(client, "Some stills") == "second"
        assert said(client, "A lamp, please").startswith("[Sandbox answer")
    assert [one["used"] for one in admin.list_answers(sandbox.data)] == [0, 1, 1]


def test_an_answer_is_given_so_many_times_and_also_to_requests_to_repeat(sandbox: Sandbox) -> None:
    admin.set_answers(sandbox.data, "- {when: rate it, text: no idea, times: 2}")
    with calling(sandbox) as client:
        first = client.post(URL, json={"model": MODEL, "message": f"Rate it, a lamp{SHAPE}"}).json()
        session = first["session_id"]
        assert first["message"]["content"] == "no idea"
        assert said(client, REPEAT + SHAPE, session=session) == "no idea"
        written = json.loads(said(client, REPEAT + SHAPE, session=session))
    assert isinstance(written["score"], float)


def test_the_same_answers_set_again_are_given_again(sandbox: Sandbox) -> None:
    for _ in range(2):
        admin.set_answers(sandbox.data, "- {when: rate it, text: no idea, times: 1}")
        assert [one["used"] for one in admin.list_answers(sandbox.data)] == [0]
        with calling(sandbox) as client:
            assert said(client, "Rate it, a lamp") == "no idea"
            assert said(client, "Rate it, a lamp") != "no idea"


def test_an_answer_without_words_is_for_every_message_and_may_be_empty(sandbox: Sandbox) -> None:
    admin.set_answers(sandbox.data, "- {text: ''}")
    with calling(sandbox) as client:
        assert said(client, "Anything") == ""
    admin.set_answers(sandbox.data, "")
    assert admin.list_answers(sandbox.data) == []


def test_counts_survive_a_restart_and_a_start_without_a_file_keeps_the_answers(
    tmp_path: Path,
) -> None:
    given = []
    for text in ("- {text: once, times: 1}\n- {text: then}", None):
        with running(tmp_path, answers=text) as sandbox, calling(sandbox) as client:
            given.append(said(client, "Hello"))
    assert given == ["once", "then"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{when: a, text: b}", "answers: is not a list"),
        ("- {when: a}", "answers: 0: needs either 'json' or 'text'"),
        ("- {text: a, json: {b: 1}}", "needs either 'json' or 'text'"),
        ("- {text: a, whenn: b}", "answers: 0.whenn: Extra inputs"),
        ("- {text: a, when: ' '}", "'when' has no words"),
        ("- {text: a, times: 0}", "answers: 0.times"),
        ("- {json: {day: 2026-11-27}}", "'json' is not JSON"),
        ("- {json: {score: .nan}}", "'json' is not JSON"),
        ("- {json: [1]}", "answers: 0.json"),
        ("- {text: [", "answers:1:"),
        ("- &a {text: a}\n- *a", "answers:2:3: is not YAML: has an alias"),
        ("- {text: a}\n" * 501, "answers: Tuple should have at most 500 items"),
        ("- {text: a}\n#" + "x" * 2**20, "has more than"),
        ("- {json: {a: " + "[" * 2000 + "]" * 2000 + "}}", "nested too deeply"),
    ],
)
def test_a_wrong_file_says_where_and_leaves_the_earlier_answers(
    sandbox: Sandbox, text: str, problem: str
) -> None:
    admin.set_answers(sandbox.data, "- {text: kept}")
    with pytest.raises(SandboxError) as error:
        admin.set_answers(sandbox.data, text)
    assert problem in str(error.value)
    assert error.value.hint
    assert [one["text"] for one in admin.list_answers(sandbox.data)] == ["kept"]
    admin.set_answers(sandbox.data, "")
