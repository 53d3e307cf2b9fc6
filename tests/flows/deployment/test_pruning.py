"""Which deployments a call of `deploy --prune` may remove."""

from __future__ import annotations

from uuid import uuid4

from prefect.client.schemas.responses import DeploymentResponse

from rivya_flows.flows.deployment.sync import find_unspecified
from rivya_flows.preparation.deploy_blocks import OWNER_TAG


def existing(
    collection: str = "/specs", *, spec: bool = True, tags: tuple[str, ...] = (OWNER_TAG,)
) -> DeploymentResponse:
    env = {"RIVYA_FLOWS_SPEC": "sha256:1", "RIVYA_FLOWS_COLLECTION": collection} if spec else {}
    return DeploymentResponse(
        id=uuid4(),
        flow_id=uuid4(),
        name="one",
        tags=list(tags),
        labels={},
        job_variables={"env": env},
    )


def test_only_what_a_call_shows_to_be_gone_is_pruned() -> None:
    there = {
        "a/weekly": existing(),
        "a/daily": existing(),
        "b/weekly": existing(),
        "c/weekly": existing("/other"),
        "rivya-flows-waker/sweep": existing(spec=False),
        "d/weekly": existing(tags=()),
    }
    one = find_unspecified(there, {"a/weekly"}, {"a"}, {"/specs"}, set())
    assert one == (("a/daily",), ("b/weekly",))
    whole = find_unspecified(there, {"a/weekly"}, {"a"}, {"/specs"}, {"/specs"})
    assert whole == (("a/daily", "b/weekly"), ())
