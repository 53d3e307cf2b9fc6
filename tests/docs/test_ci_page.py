"""The workflow of docs/how-to/ci.md says the price in a pull request: its steps run in a real repository of two commits."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.pages import blocks_of, changed
from support.repositories import committed, git

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "ci.md"
BLOCKS = blocks_of(PAGE)
[WORKFLOW] = [one for one in BLOCKS if one.file == ".github/workflows/price.yaml"]
[COMMENT] = [one for one in BLOCKS if one.kind == "markdown"]
CHANGES = [one for one in BLOCKS if one.kind == "diff"]
COMMIT = re.compile(r"\([0-9a-f]{8}\)")
# The comments of a pull request in a file, as the service keeps them.
GH = """#!{python}
import json, pathlib, subprocess, sys
words = sys.argv[1:]
assert words.pop(0) == "api"
options, places = dict(), []
while words:
    word = words.pop(0)
    if word == "--paginate":
        continue
    if word.startswith("--"):
        options[word] = words.pop(0)
    else:
        places.append(word)
[place] = places
kept = pathlib.Path("{comments}")
comments = json.loads(kept.read_text())
if "--field" not in options:
    assert place == "repos/acme/shop/issues/7/comments"
    done = subprocess.run(["jq", options["--jq"]], input=kept.read_text(), text=True, check=True)
    sys.exit()
name, _, file = options["--field"].partition("=@")
assert name == "body"
body = pathlib.Path(file).read_text()
if options["--method"] == "POST":
    assert place == "repos/acme/shop/issues/7/comments"
    comments.append(dict(id=len(comments) + 1, user=dict(login="github-actions[bot]"), body=body))
else:
    assert options["--method"] == "PATCH"
    [one] = [one for one in comments if place == "repos/acme/shop/issues/comments/" + str(one["id"])]
    one["body"] = body
kept.write_text(json.dumps(comments))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq here"),
]


@dataclass(frozen=True)
class Job:
    """The job of the page on a machine of GitHub, with `gh` and the installation of rivya-flows replaced.

    `failed` has the steps that failed in the last run.
    """

    work: Path
    machine: Path

    @property
    def comments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.machine / "comments.json").read_text())
        return found

    @property
    def summary(self) -> str:
        return (self.machine / "summary.md").read_text()

    def run(self, *, fork: bool = False) -> list[str]:
        """Runs the steps as the runner does; gives the last lines of those that failed."""
        failed: list[str] = []
        steps = yaml.safe_load(WORKFLOW.text)["jobs"]["price"]["steps"]
        (self.machine / "path").write_text("")
        for step in (one for one in steps if "run" in one):
            if failed and "!cancelled()" not in step.get("if", ""):
                continue
            if fork and "head.repo.full_name == github.repository" in step.get("if", ""):
                continue
            done = self._step(step["run"])
            if done.returncode:
                failed.append(f"{step['run']} -> {done.returncode} {done.stderr}")
        return failed

    def _step(self, script: str) -> subprocess.CompletedProcess[str]:
        path = [*(self.machine / "path").read_text().split(), str(self.machine), os.environ["PATH"]]
        given = {
            "PATH": ":".join(path),
            "HOME": str(self.machine),
            "GITHUB_PATH": str(self.machine / "path"),
            "GITHUB_STEP_SUMMARY": str(self.machine / "summary.md"),
            "GITHUB_REPOSITORY": "acme/shop",
            "RUNNER_TEMP": str(self.machine),
            "GH_TOKEN": "token",
            "NUMBER": "7",
        }
        (self.machine / "step.sh").write_text(script)
        order = ["bash", "-e", str(self.machine / "step.sh")]
        return subprocess.run(
            order, cwd=self.work, env=given, capture_output=True, text=True, check=False
        )


@pytest.fixture
def job(tmp_path: Path) -> Job:
    work, machine = tmp_path / "work", tmp_path / "machine"
    machine.mkdir()
    for name in ("product-launch.yaml", "first-picture.yaml", "brand"):
        source, target = ROOT / "specs" / name, work / "specs" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    committed(work)
    (machine / "comments.json").write_text(
        json.dumps(
            [{"id": 1, "user": {"login": "ada"}, "body": "<!-- rivya-flows plan --against -->"}]
        )
    )
    write_program(
        machine / "gh", GH.format(python=sys.executable, comments=machine / "comments.json")
    )
    tool = work / ".rivya-flows"
    write_program(tool / "scripts" / "install", "#!/bin/sh\n")
    called = f'#!/bin/sh\nexec {sys.executable} -m rivya_flows "$@"\n'
    write_program(tool / ".venv" / "bin" / "rivya-flows", called)
    (work / ".git" / "info" / "exclude").write_text(".rivya-flows\n")
    return Job(work, machine)


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def push(job: Job) -> None:
    """Commits the work to the branch of the pull request, and checks out its merge as the action does."""
    git(job.work, "checkout", "--quiet", "-B", "change")
    committed(job.work)
    git(job.work, "checkout", "--quiet", "--detach", "main")
    git(job.work, "merge", "--quiet", "--no-ff", "--message", "merge", "change")


def change(job: Job) -> None:
    for block in CHANGES:
        assert block.file
        changed(job.work / block.file, block)
    push(job)


def test_a_pull_request_gets_the_comment_of_the_page_and_a_push_updates_it(job: Job) -> None:
    change(job)
    [failed] = job.run()
    assert "plan specs --against HEAD^1" in failed
    assert re.search(r" -> 3 $", failed)
    stranger, comment = job.comments
    assert stranger["user"]["login"] == "ada"
    assert COMMIT.sub("", comment["body"]) == COMMIT.sub("", COMMENT.text)
    assert job.summary == comment["body"]
    spec = job.work / "specs" / "product-launch.yaml"
    spec.write_text(spec.read_text().replace("nano-banana", "z-image").replace("80,", "60,"))
    push(job)
    assert job.run() == []
    assert [one["id"] for one in job.comments] == [1, 2]
    assert "| 23–60 | 24–60 | least +1 (+4 %) |" in job.comments[1]["body"]
    assert "the limit is" not in job.comments[1]["body"]


def test_a_pull_request_from_a_fork_gets_a_summary_and_no_comment(job: Job) -> None:
    change(job)
    assert len(job.run(fork=True)) == 1
    assert len(job.comments) == 1
    assert COMMIT.sub("", job.summary) == COMMIT.sub("", COMMENT.text)


def test_the_workflow_may_read_and_comment_and_nothing_else() -> None:
    workflow = yaml.safe_load(WORKFLOW.text)
    assert workflow[True] == "pull_request"  # YAML 1.1 reads `on` so
    assert workflow["permissions"] == {}
    price = workflow["jobs"]["price"]
    assert price["permissions"] == {"contents": "read", "pull-requests": "write"}
    scripts = "".join(one.get("run", "") for one in price["steps"])
    assert "${{" not in scripts, "a text of the event is no shell code"
