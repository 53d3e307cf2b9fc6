"""The command `rivya-flows`: find the command, and turn every error into a message and a code.

A command's module is imported when it is used or asked for help, and imports what is heavy only when
it executes.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import cast

import click

from rivya_flows.cli import failures, output
from rivya_flows.cli.options import Group, examples
from rivya_flows.cli.session import Interrupts
from rivya_flows.private import keep_private

_PLACES = {
    "Write a spec": "project.init check.check explain.explain plan.plan check.test plan.graph project.schema project.models",
    "Run it": "run.run run.resume run.fork run.batch",
    "Look at runs": "runs.runs runs.receipt results.open results.share links.review results.compare results.verify",
    "Watch the money": "money.credits money.spend insights.insights money.budgets store.cache",
    "Work with Prefect": "up.up up.down deploy.deploy deploy.automations up.prefect",
    "Look after it": "up.doctor webhooks.webhooks up.sandbox store.store project.mcp",
}
"""The commands as the help groups them, each with the module of this package that defines it."""

GROUPS = {
    title: {name: module for module, name in (one.split(".") for one in places.split())}
    for title, places in _PLACES.items()
}
COMMANDS = {name: module for group in GROUPS.values() for name, module in group.items()}


class _Commands(Group):
    """Imports the module of a command when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def sections(self, ctx: click.Context) -> Mapping[str, Iterable[str]]:
        return GROUPS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"rivya_flows.cli.{COMMANDS[cmd_name]}")
        return cast("click.Command", getattr(module, cmd_name))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "init my-campaign",
        "run my-campaign/specs/first-picture.yaml",
        title="The first picture, without an account",
    ),
)
@click.version_option(package_name="rivya-flows", message="%(prog)s %(version)s")
@click.option(
    "--verbose",
    is_flag=True,
    help="Show each request to the service, without keys, and the traceback of unexpected errors.",
)
def program(verbose: bool) -> None:
    """Run media campaigns on the Rivya API from one YAML file.

    Without a key it buys with pretend credits from a sandbox on this machine.
    """
    trace = logging.getLogger("rivya_client.wire")  # of the client, which masks keys itself
    if verbose:
        trace.setLevel(logging.DEBUG)
        if not trace.handlers:
            trace.addHandler(output.log_handler())


def run(arguments: Sequence[str]) -> int:
    """Runs the command of the arguments and gives its exit code.

    0 done, 1 the run failed, 2 the spec or the call is wrong, 3 credits or budget, 130 interrupted.
    """
    try:
        # Some commands name the one that continues: the same with another option.
        result = program.main(
            list(arguments), prog_name="rivya-flows", standalone_mode=False, obj=tuple(arguments)
        )
    except SystemExit:
        raise
    except BaseException as error:
        failure = failures.explain(error, arguments)
        interrupted = failure.code == failures.INTERRUPTED
        buys = any(one in GROUPS["Run it"] for one in arguments[:2])
        if interrupted and buys and not Interrupts.begun:
            failure = replace(failure, message=f"{failure.message}; nothing was bought")
        as_json = "--json" in arguments or "--format=json" in "=".join(arguments)
        _tell(failure, as_json=as_json and not interrupted)
        if failure.name == "unexpected" and "--verbose" in arguments:
            output.tell_traceback(error)
        return failure.code
    return result if isinstance(result, int) else 0


def _tell(failure: failures.Failure, *, as_json: bool) -> None:
    if as_json:
        with suppress(OSError):  # such as a full disk behind stdout
            output.print_json(failure.document)
            return
    for problem in failure.problems:
        output.tell_problem(problem)
    output.tell(*failure.lines)


def main() -> None:
    """The console script."""
    keep_private()
    output.prepare_streams()
    logging.captureWarnings(True)  # a decoder's warning can quote a foreign file
    logging.lastResort = output.log_handler(level=logging.WARNING)  # for loggers without a handler
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
