"""The restore of docs/how-to/on-call.md, on a real PostgreSQL: with its own commands for the journal and the media."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from rivya_flows.flows.worker import host_process
from rivya_flows.processes import hosts
from rivya_flows.questions.question import Answer, Question
from rivya_sandbox.service.startup import Sandbox
from support.databases import postgres_server
from support.engine_runs import accounts_agree, customer
from support.pages import blocks_of

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "on-call.md"
PICK = """
version: 1
name: casting
steps:
  stills:
    uses: generate
    foreach: [studio, neon]
    with: {model: z-image, prompt: "A lamp, ${{ item }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human}
  large:
    uses: generate
    with: {model: nano-banana-2, prompt: Larger, references: ["${{ steps.hero.asset }}"]}
"""


WORKER = inspect.getsource(hosts) + inspect.getsource(host_process)


def test_the_lines_of_a_log_that_the_page_names_are_those_of_the_worker() -> None:
    part = PAGE.read_text("utf-8").partition("## Hosts of a worker die")[2].partition("\n## ")[0]
    searched = re.findall(r"grep -E -A40 '(.+)'", part)[0].split("|")
    rows = [row for row in part.splitlines() if row.startswith("| ") and "`" in row.split("|")[1]]
    named = [words for row in rows for words in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(named) == 5
    for words in [*searched, *named]:
        assert words.replace("SIGKILL", "{signal.") in WORKER, words


def commands(*first: str) -> list[str]:
    """The lines of the page's blocks that begin so, without those for Prefect's database."""
    lines = [line for block in blocks_of(PAGE) for line in block.text.splitlines()]
    return [line for line in lines if line.startswith(first) and "prefect" not in line]


def test_a_suspended_run_is_restored_and_goes_on_without_a_second_purchase(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    server = urlsplit(postgres_server("restore"))
    [host] = parse_qs(server.query)["host"]
    home = tmp_path / "studio"
    (home / "backup").mkdir(parents=True)

    def do(*lines: str) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PGHOST": host, "PATH": path}
        for line in lines:
            subprocess.run(["sh", "-ec", line], cwd=home, env=environment, check=True)

    make = ["createuser -U postgres rivya", "createdb -U postgres --owner=rivya rivya"]
    do(*make)
    studio = customer(sandbox, home)
    studio.store = f"postgresql://rivya@/rivya?host={host}"
    studio.run(PICK)
    assert studio.receipt("run-1")["status"] == "suspended"
    back_up = commands("pg_dump", "cp -a assets")
    restore = commands("createdb", "pg_restore", "cp -a backup")
    assert (len(back_up), len(restore)) == (2, 3)
    do(*back_up)

    do("dropdb -U postgres --force rivya", "rm -r assets")
    do(*restore)

    async def pick(question: Question) -> Answer:
        return Answer((question.choices[0],))

    asyncio.run(studio.execute("run-1", ask=pick))
    assert studio.receipt("run-1")["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 7
