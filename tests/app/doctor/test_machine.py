from __future__ import annotations

from rivya_flows.app.doctor.machine import HARMFUL, environment, python


def test_harmless_values_of_harmful_variables_are_ok() -> None:
    harmless = {"PREFECT_LOGGING_TO_API_ENABLED": "true"}
    given = {each.name: harmless.get(each.name, "0") for each in HARMFUL}
    assert [check.status for check in environment(given)] == ["ok"]


def test_the_packages_that_everything_needs_are_there() -> None:
    assert {check.status for check in python()} == {"ok"}
