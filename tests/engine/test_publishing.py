"""Where a browser finds what a run made, and where a person gives a file."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from rivya_flows.engine.publishing import receiver_url, report_of, upload_page
from rivya_flows.process_identity import find_process
from rivya_flows.processes.registry import LeftRunning, ManagedProcess, write
from rivya_flows.runs.connect import connect
from rivya_flows.settings import Settings


def receiver_of_up() -> tuple[ManagedProcess, ...]:
    """The server and the receiver of an `up` that this process is."""
    me = find_process(os.getpid())
    assert me is not None
    return tuple(
        ManagedProcess(name=name, pid=me.pid, birth=me.birth, mark="m", url=url)
        for name, url in (
            ("server", "http://127.0.0.1:4200"),
            ("receiver", "http://127.0.0.1:8710"),
        )
    )


def test_forms_and_messages_name_the_receiver_of_up_only_on_the_server_of_up(
    tmp_path: Path,
) -> None:
    parts = receiver_of_up()
    settings = Settings(rivya_flows_data=tmp_path)
    assert upload_page(settings, "http://127.0.0.1:4200/api") is None
    write(tmp_path, LeftRunning(parts))
    page = upload_page(settings, "http://127.0.0.1:4200/api")
    assert page is not None
    assert page.startswith("http://127.0.0.1:8710/upload/")
    assert receiver_url(settings, None) == "http://127.0.0.1:8710"
    assert receiver_url(settings, "http://127.0.0.1:4201/api") is None
    assert upload_page(settings, "http://127.0.0.1:4201/api") is None
    assert upload_page(settings, "https://prefect.example/api") is None
    public = settings.model_copy(update={"rivya_flows_public_url": "https://media.example/m/"})
    known_page = upload_page(public, "https://prefect.example/api")
    assert known_page == page.replace("http://127.0.0.1:8710", "https://media.example/m")


async def test_a_command_names_the_receiver_of_up_in_its_pages_and_messages(tmp_path: Path) -> None:
    settings = Settings(
        rivya_flows_data=tmp_path,
        rivya_api_key=SecretStr("rvy_key"),
        rivya_base_url="http://127.0.0.1:9",
    )
    write(tmp_path, LeftRunning(receiver_of_up()))
    async with connect(settings) as context:
        report = report_of(context, "run-1")
    assert report is not None
    assert report.startswith("http://127.0.0.1:8710/runs/")
