"""Each call that the engine makes is a task, under the name that people see in Prefect."""

from __future__ import annotations

from rivya_flows.engine.files import upload
from rivya_flows.engine.jobs import collect_job
from rivya_flows.engine.purchases import submit
from rivya_flows.engine.work import WORK, call_function, miss_pick
from rivya_flows.flows.execution.task_runner import TASKS
from rivya_flows.tasks.service import list_models


def test_a_step_with_work_of_its_own_has_a_task_of_its_name() -> None:
    assert {uses: TASKS[function].name for uses, function in WORK.items()} == {
        uses: uses for uses in WORK
    }


def test_what_is_asked_of_the_service_has_a_task() -> None:
    calls = (submit, collect_job, upload, call_function, miss_pick)
    names = ["buy", "collect", "upload", "function", "pick"]
    assert [TASKS[call].name for call in calls] == names
    assert list_models.name == "models"
