"""The command itself: what it loads, how it explains itself, and its exit codes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

from rivya_flows.cli.failures import explain
from rivya_flows.cli.main import COMMANDS, GROUPS, program
from rivya_flows.cli.options import Group
from rivya_flows.diagnostics import Fix
from rivya_flows.errors import (
    APIConnectionError,
    APIStatusError,
    BudgetError,
    Diagnostic,
    LeaseLostError,
    MediaError,
    NotConfirmedError,
    SpecError,
    StoreError,
    UsageError,
)
from rivya_flows.folder_settings import MAX_MISTAKES
from support.cli_calls import Terminal

pytestmark = pytest.mark.slow

HEAVY = {"prefect", "httpx", "pydantic", "sqlalchemy", "rich", "av", "yaml", "jinja2", "fsspec"}
GUIDE = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text(
    encoding="utf-8"
)


FULL = OSError(28, "No space left on device", "/out")


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups too."""
    waiting: list[tuple[str, click.Command]] = [("rivya-flows", program)]
    while waiting:
        name, command = waiting.pop()
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                assert found is not None
                waiting.append((f"{name} {inner}", found))


def loaded_after(statements: str) -> set[str]:
    """Top-level modules that a new process has loaded after some statements."""
    code = f"{statements}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_and_mistakes_load_nothing_heavy() -> None:
    calls = "; ".join(f"run({one})" for one in (["--help"], ["run", "--help"], ["resume", "--x"]))
    assert not loaded_after(f"from rivya_flows.cli.main import run; {calls}") & HEAVY


def test_check_loads_neither_prefect_nor_the_store(tmp_path: Path) -> None:
    spec = Path(__file__).parents[2] / "specs" / "first-picture.yaml"
    loaded = loaded_after(
        f"from rivya_flows.cli.main import run; assert run(['check', {str(spec)!r}]) == 0"
    )
    assert not loaded & {"prefect", "httpx"}


def test_every_command_and_option_has_help_and_is_in_the_guide_and_no_other_one() -> None:
    for name, command in commands():
        assert command.help, name
        assert name in GUIDE
        for parameter in command.params:
            if not isinstance(parameter, click.Option) or "--version" in parameter.opts:
                continue
            assert parameter.help, f"{name} {parameter.opts[0]}"
            for written in (*parameter.opts, *parameter.secondary_opts):
                assert written in GUIDE, f"{name} {written}"
    written_there = set(re.findall(r"^## `rivya-flows ([a-z ]+?)`", GUIDE, re.MULTILINE))
    assert written_there <= {name.removeprefix("rivya-flows ") for name, _ in commands()}
    assert set(COMMANDS) <= {name.split()[0] for name in written_there}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError((Diagnostic("x", "wrong", file="a.yaml", line=1, column=1),)), 2),
        (UsageError("wrong"), 2),
        (StoreError("broken"), 2),
        (LeaseLostError("lost"), 2),
        (MediaError("no picture"), 2),
        (BudgetError("too much"), 3),
        (APIStatusError(402, "insufficient_credits", "none left"), 3),
        (APIStatusError(401, "api_key_invalid", "unknown key"), 2),
        (APIStatusError(500, "internal_error", "oh"), 1),
        (APIConnectionError("no answer"), 1),
        (FULL, 2),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (ZeroDivisionError("division by zero"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert explain(error).code == code


def test_an_error_is_a_line_and_what_to_do_another_one() -> None:
    with pytest.raises(RuntimeError) as homeless:
        Path("~nobody-of-this-name/x").expanduser()
    bug = "error: ZeroDivisionError: division by zero (this is a bug)"
    for error, name, first, hint in (
        (UsageError("no key", "set it"), "usage", "error: no key", "set it"),
        (homeless.value, "usage", "error: a path begins with ~, and there is no such", "write the"),
        (FULL, "machine", "error: /out: No space left on device", "free disk space, then try"),
        (ZeroDivisionError("division by zero"), "unexpected", bug, "run it again as"),
    ):
        failure = explain(error)
        words, told = failure.lines
        assert failure.name == name
        assert words.startswith(first)
        assert told.startswith(f"hint: {hint}")


TOO_DEAR = BudgetError("over the budget", "raise it")
TOO_DEAR.options = ("--budget", "12")
FIXABLE = Diagnostic("bad-unit", "no", file="my spec.yaml", fix=Fix(0, 1, "x", "x", 1))


@pytest.mark.parametrize(
    ("error", "arguments", "following"),
    [
        (TOO_DEAR, "run a.yaml -i 'x=a b' --json", "run a.yaml -i 'x=a b' --json --budget 12"),
        (TOO_DEAR, "run a.yaml --budget 2 --json", "run a.yaml --json --budget 12"),
        (TOO_DEAR, "run --budget=2 a.yaml", "run a.yaml --budget 12"),
        (TOO_DEAR, "", None),  # of a tool
        (BudgetError("over the balance"), "run a.yaml", None),
        (NotConfirmedError("not confirmed"), "deploy a.yaml", "deploy a.yaml --yes"),
        (SpecError((FIXABLE, FIXABLE)), "plan 'my spec.yaml'", "check 'my spec.yaml' --fix"),
        (SpecError((replace(FIXABLE, fix=None),)), "plan 'my spec.yaml'", None),
        (UsageError("no", "do"), "plan a.yaml", None),
    ],
)
def test_a_failure_names_the_command_that_continues(
    error: BaseException, arguments: str, following: str | None
) -> None:
    document = explain(error, shlex.split(arguments)).document
    assert document["next"] == (following and f"rivya-flows {following}")


def test_the_help_has_each_command_in_one_group_and_says_how_to_begin() -> None:
    assert sum(map(len, GROUPS.values())) == len(COMMANDS)
    shown = program.get_help(click.Context(program, info_name="rivya-flows", terminal_width=80))
    assert all(f"{title}:" in shown for title in GROUPS)
    assert shown.endswith("rivya-flows run my-campaign/specs/first-picture.yaml")


def test_problems_come_with_caret_and_count() -> None:
    problem = Diagnostic(
        "unknown-key",
        "unknown key 'stpes'",
        "steps",
        file="a.yaml",
        line=3,
        column=5,
        source="    stpes:",
    )
    failure = explain(SpecError((problem,)))
    assert failure.problems == (problem,)
    assert failure.lines == ("error: 1 problem found",)
    assert problem.lines == (
        "a.yaml:3:5: unknown key 'stpes' [unknown-key]",
        "      stpes:",
        "      ^",
        "  hint: steps",
    )


def test_a_wrong_call_with_json_is_one_document_and_no_command_shows_all(call: Terminal) -> None:
    said = call("plan", "--json")
    assert (said.code, said.err) == (2, "")
    assert said.document["error"]["code"] == "usage"
    assert said.document["problems"] == []
    said = call()
    assert said.code == 2
    assert "resume" in said.err


COMMAND = [sys.executable, "-m", "rivya_flows.cli.main", "models"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["words", "json"])
def test_full_disk_behind_stdout_is_told_on_stderr(options: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *options], stdout=full, stderr=subprocess.PIPE, text=True, timeout=240
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: No space left on device\nhint: ")
    assert "Traceback" not in done.stderr


def test_closed_streams_are_as_good_as_none() -> None:
    code = "import os, sys; os.close(0); os.close(1); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", code, *COMMAND]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("RIVYA_FLOWS_WORKER_LIMIT", "ten", "takes a whole number, 1 to 1,000"),
        ("RIVYA_FLOWS_WORKER_LIMIT", "2000", "takes a whole number, 1 to 1,000"),
        ("RIVYA_FLOWS_SANDBOX", "maybe", "takes true or false"),
        ("RIVYA_POLL_SECONDS", "rvya_sk_secret", "takes a number, above 0"),
        ("RIVYA_FLOWS_KEEP_MEDIA_DAYS", "0", "takes a number, above 0, at most 36,500"),
        ("RIVYA_FLOWS_TRUST_FOLDER", ".", "must be the absolute path of a folder"),
        ("RIVYA_BASE_URL", "rivya.ai", "takes a URL, such as https://rivya.ai"),
        ("RIVYA_BASE_URL", "https://rvya_sk_secret", "takes a URL, such as https://rivya.ai"),
        ("RIVYA_BASE_URL", "https://rivya.ai/api/", "is the address of the service without /api"),
        ("RIVYA_FLOWS_PUBLIC_URL", "media.test", "takes a URL, such as https://rivya.ai"),
        ("RIVYA_FLOWS_METRICS_AUTH", "secret", "takes name:password"),
    ],
)
def test_a_wrong_setting_is_told_in_plain_words_without_its_value(
    call: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    said = call("credits")
    hint = f"hint: correct the value, or `unset {name}`"
    assert (said.code, said.err) == (2, f"error: environment: {name} {words}\n{hint}\n")


def test_an_error_of_the_service_s_address_says_on_which_line_of_env_it_is(call: Terminal) -> None:
    key = "# the key\n\nRIVYA_API_KEY=rvya_sk_any\n\n"
    Path(".env").write_text(f"{key}RIVYA_BASE_URL=https://me:word@elsewhere")
    *_, error, hint = call("credits").err.splitlines()
    assert error.endswith("(RIVYA_BASE_URL: .env, line 5)")
    assert hint == "hint: write it like https://rivya.ai"


def test_all_wrong_settings_are_told_in_one_error_with_what_to_do_about_each(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_WORKER_LIMIT", "ten")
    Path(".env").write_text("TOKEN\nRIVYA_FLOWS_SANDBOX=true\nRIVYA_POLL_SECONDS=0\n")
    place = "environment: RIVYA_FLOWS_WORKER_LIMIT takes a whole number, 1 to 1,000"
    mistakes = [
        ('.env, line 1: no "="', "write NAME=value, with both quotes or none"),
        (
            ".env, line 2: RIVYA_FLOWS_SANDBOX cannot be set by a file in a folder",
            "set it in the environment, and remove line 2 of .env",
        ),
        (
            ".env, line 3: RIVYA_POLL_SECONDS takes a number, above 0",
            "correct the value, or remove line 3 of .env",
        ),
        (place, "correct the value, or `unset RIVYA_FLOWS_WORKER_LIMIT`"),
    ]
    said = call("credits")
    first, *lines, hint = said.err.splitlines()
    assert (said.code, first, hint) == (
        2,
        "error: 4 mistakes in the settings",
        "hint: correct them",
    )
    assert sorted(lines) == [f"  {words}: {advice}" for words, advice in mistakes]
    checks = call("doctor", "--json").document["checks"]
    told = [(one["message"], one["hint"]) for one in checks if one["status"] == "problem"]
    assert sorted(told) == mistakes
    Path(".env").write_text("TOKEN\n" * 1000)
    assert len(call("credits").err.splitlines()) == MAX_MISTAKES + 3


def test_the_list_of_commands_cuts_no_sentence() -> None:
    for name, command in commands():
        if isinstance(command, Group):
            help_text = command.get_help(click.Context(command, info_name=name, terminal_width=60))
            assert "..." not in help_text.partition("Options:")[2]


def test_examples_in_the_help_can_be_called() -> None:
    shown = {name: command for name, command in commands() if command.epilog}
    assert {"check", "plan", "run", "resume", "batch", "fork", "deploy", "up"} <= {
        name.removeprefix("rivya-flows ") for name in shown
    }
    for name, command in shown.items():
        for line in (command.epilog or "").splitlines()[2:]:
            _, first, *arguments = shlex.split(line)
            called = program.get_command(click.Context(program), first)
            assert called is not None
            assert command in (program, called) or f" {command.name}" in line, name
            with (called if command is program else command).make_context(name, arguments):
                pass  # or an option is unknown, or an argument missing
        help_text = command.get_help(click.Context(command, info_name=name, terminal_width=60))
        assert max(map(len, help_text.splitlines())) <= 80
