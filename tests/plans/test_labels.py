"""The labels of a run: from a spec, from a command, and what cannot be one."""

from __future__ import annotations

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.language.workflow import MAX_LABELS, Workflow
from rivya_flows.plans.labels import labels_of, read_labels


def workflow(**labels: str) -> Workflow:
    return Workflow.model_construct(version=1, name="x", steps={}, labels=labels)


def test_a_label_may_use_inputs_and_that_of_a_command_wins() -> None:
    spec = workflow(team="film", client="${{ inputs.who }}", job="no ${{ inputs.number }}")
    given = {"team": "stills"}
    found = labels_of(spec, {"who": "acme", "number": 7}, given, {})
    assert found == {"client": "acme", "job": "no 7", "team": "stills"}
    assert list(found) == ["client", "job", "team"]


def test_a_label_may_use_what_is_known_of_the_run() -> None:
    run = {"id": "run-1", "date": "2026-11-08", "scheduled_for": None}
    spec = workflow(month="${{ run.date[:7] }}", due="${{ run.scheduled_for or 'by hand' }}")
    assert labels_of(spec, {}, {}, run) == {"due": "by hand", "month": "2026-11"}


@pytest.mark.parametrize("value", [None, "", "two\nlines", "x" * 65], ids=repr)
def test_an_input_that_makes_no_label_is_named(value: str | None) -> None:
    with pytest.raises(UsageError, match="client"):
        labels_of(workflow(client="${{ inputs.who }}"), {"who": value}, {}, {})


def test_labels_of_both_together_are_bounded() -> None:
    spec = workflow(**{f"of-{number}": "x" for number in range(MAX_LABELS)})
    assert len(labels_of(spec, {}, {"of-1": "y"}, {})) == MAX_LABELS
    with pytest.raises(UsageError, match="9 labels; a run has at most 8"):
        labels_of(spec, {}, {"client": "acme"}, {})


def test_a_number_of_a_caller_in_python_is_refused_as_a_label() -> None:
    with pytest.raises(UsageError, match="label client: its value cannot be used"):
        labels_of(workflow(), {}, {"client": 5}, {})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "text", ["client", "Client=a", "=a", "client=", "client=a\x1b[1m"], ids=repr
)
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="label"):
        read_labels((text,))
    assert read_labels(("client=a=b", "team=film")) == {"client": "a=b", "team": "film"}
