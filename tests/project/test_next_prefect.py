"""`scripts/next-prefect`: which release it tries."""

from __future__ import annotations

from support.loaded_scripts import loaded


def test_the_next_minor_is_the_upper_bound_of_the_requirement() -> None:
    script = loaded("scripts/next_prefect.py")
    assert script.next_minor(["prefect>=3.9,<3.10", "prefect-redis>=0.2"]) == "3.10"
