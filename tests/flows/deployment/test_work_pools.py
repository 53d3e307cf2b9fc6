"""Work pools of containers: whose image can import this package."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import WorkPool

from rivya_flows.flows.deployment.infrastructure import lacks_package


def pool(**defaults: Any) -> WorkPool:
    """A pool whose template has these variables with these defaults."""
    properties = {name: {"default": value} for name, value in defaults.items()}
    template = {"variables": {"properties": properties}, "job_configuration": {}}
    return WorkPool(
        name="pods", type="kubernetes", base_job_template=template, default_queue_id=uuid4()
    )


@pytest.mark.parametrize(
    ("defaults", "job_variables"),
    [
        ({"image": None}, {}),
        ({"image": "prefecthq/prefect:3.9.1-python3.11"}, {}),
        ({"image": "studio:7"}, {"image": "docker.io/prefecthq/prefect:3-latest"}),
        ({"image": None, "env": {"BRAND": "x"}}, {"env": {"BRAND": "y"}}),
    ],
)
def test_prefects_own_image_lacks_the_package(
    defaults: dict[str, Any], job_variables: dict[str, Any]
) -> None:
    assert lacks_package(pool(**defaults), job_variables)


@pytest.mark.parametrize(
    ("defaults", "job_variables"),
    [
        ({}, {}),  # processes
        ({"image": "studio:7"}, {}),
        ({"image": None}, {"image": "studio:7"}),
        ({"image": "prefecthq/prefect-studio:7"}, {}),
        ({"image": None}, {"env": {"EXTRA_PIP_PACKAGES": "rivya-flows"}}),
        ({"image": None, "env": {"EXTRA_PIP_PACKAGES": "rivya-flows"}}, {"env": {"BRAND": "y"}}),
    ],
)
def test_any_other_image_is_taken_as_it_is(
    defaults: dict[str, Any], job_variables: dict[str, Any]
) -> None:
    assert not lacks_package(pool(**defaults), job_variables)
