"""What a command works with: settings, the service, the signals that end it, and the person who may agree."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from rivya_flows.cli.failures import INTERRUPTED
from rivya_flows.cli.output import prompt, show_cursor, tell
from rivya_flows.environment import variables
from rivya_flows.errors import UsageError
from rivya_flows.private import as_the_user_wants

if TYPE_CHECKING:  # heavy, and needed only when a command works
    import asyncio

    from rivya_client.catalogue.catalogue import Catalogue
    from rivya_client.client import RivyaClient
    from rivya_flows.engine.run_context import RunContext
    from rivya_flows.money.live_guard import Confirm
    from rivya_flows.runs.execution import Caller
    from rivya_flows.settings import Settings

T = TypeVar("T")


class Interrupts:
    """Turns signals into the cancellation of one task."""

    begun: ClassVar = False  # this process has executed a run, which may have bought

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.say: Callable[[str], object] = tell  # what draws on the terminal replaces it
        self.jobs: Callable[[], Sequence[str]] = tuple  # those that run at this moment, in words
        self._happened = False
        self._resume: str | None = None  # the command that continues; None while there is no run
        self._task = task

    def listen(self) -> None:
        """Handles both signals, also after something else has installed its own handlers."""
        import asyncio

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)

    def begin(self, run_id: str) -> None:
        """From now on there is a run to resume."""
        Interrupts.begun = True
        self._resume = f"rivya-flows resume {run_id}"

    def tell_resume(self) -> None:
        """Names the command that continues, if there is a run."""
        if self._resume:
            tell(f"resume with: {self._resume}")

    def absorb(self) -> None:
        """Takes the cancellation back, so that the task can end well."""
        self._task.uncancel()

    def _on_signal(self) -> None:
        if self._happened:
            with contextlib.suppress(Exception):  # whatever state the terminal is in
                show_cursor()
                if jobs := self.jobs():
                    tell(f"still running, and paid for: {', '.join(jobs)}")
                self.tell_resume()
            # Ends at once: nothing that hangs may prevent it.
            os._exit(INTERRUPTED)
        self._happened = True
        bought = "; what was bought is kept" if Interrupts.begun else ""
        self.say(f"stopping{bought} (Ctrl-C again: stop at once)")
        self._task.cancel()


def run_interruptibly(work: Callable[[Interrupts], Awaitable[T]]) -> T:
    """Runs a coroutine function in an event loop of its own; KeyboardInterrupt: a signal cancelled it."""
    import asyncio

    async def work_until_signal() -> T:
        task = asyncio.current_task()
        assert task is not None  # this is one
        interrupts = Interrupts(task)
        interrupts.listen()
        try:
            return await work(interrupts)
        except asyncio.CancelledError:
            interrupts.tell_resume()
            raise

    try:
        return asyncio.run(work_until_signal())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


_REPORTED: set[str] = set()
"""Profiles and variables that a command of this process has named."""


def settings(*, uses_data: bool = True) -> Settings:
    """The settings as they stand now; `uses_data` makes the data folder private to its owner."""
    from rivya_flows.folder_settings import refuse_prefect_files
    from rivya_flows.private import secure_data
    from rivya_flows.setting_mistakes import ignored_of_folder, unknown_names
    from rivya_flows.settings import read_settings

    found = read_settings()
    refuse_prefect_files(found.rivya_flows_trust_folder)
    if uses_data:
        for one in ignored_of_folder():
            tell(f"note: {one.where}: {one.message}; {one.hint}")
        for one in unknown_names():
            if one.name not in _REPORTED:
                _REPORTED.add(one.name)
                tell(f"warning: {one.where}: {one.message}: {one.hint}")
        secure_data(found.data)
    return found if found.prefect_api_url else _of_profile(found)


def _of_profile(found: Settings) -> Settings:
    """The settings with the address of the active Prefect profile.

    Prefect makes one for everybody who has once started a server, so an address of this machine counts only
    where something answers, and not where that is the server of `up`, which has a password.
    """
    from rivya_client.hosts import is_loopback
    from rivya_flows.folder_settings import prefect_profile
    from rivya_flows.processes import ports, registry
    from rivya_flows.store.shared_store_checks import mask_password

    profile = prefect_profile()
    if profile is None:
        return found
    name, url = profile
    if is_loopback(url):
        server = registry.read(found.data).part("server")
        port = urlsplit(url).port
        if not port or ports.is_free(port) or (server and urlsplit(server.url).port == port):
            return found
    if name not in _REPORTED:
        _REPORTED.add(name)
        tell(f"uses the Prefect server of profile {name} at {mask_password(url)}")
    return found.model_copy(update={"prefect_api_url": url})


def caller(*, sandbox: bool = False, begins: bool = False, executes: bool = False) -> Caller:
    """The command line as the caller of `runs`.

    Args:
        begins: Its Prefect server begins to start, before the rest is imported.
        executes: It executes one run: garbage is collected after the imports of that run.
    """
    from rivya_flows.flows.execution.local_runner import LocalRunner

    runner, chosen = LocalRunner(collects_later=executes), settings()
    if begins:
        # A log line that a dead Prefect server does not take is no error in the middle of ours.
        logging.raiseExceptions = False
        runner.begin(chosen)
    from rivya_flows.runs.execution import Caller

    return Caller(chosen, runner, sandbox, tell)


def call_service(work: Callable[[RivyaClient, RunContext], Awaitable[T]], *, sandbox: bool) -> T:
    """Calls `work` with a client of the service; the first Ctrl-C cancels it."""

    async def call() -> T:
        async with (
            caller(sandbox=sandbox).connect() as context,
            context.first_client(tell) as client,
        ):
            return await work(client, context)

    return run_interruptibly(lambda _: call())


def catalogue_of(*, live: bool, sandbox: bool = False) -> Catalogue:
    """The models that the service has now if `live`; else those that are known."""
    from rivya_flows.preparation.catalogue_cache import known_catalogue, read_catalogue

    return call_service(read_catalogue, sandbox=sandbox) if live else known_catalogue(settings())


def confirmer(*, yes: bool, as_json: bool) -> Confirm | None:
    """Confirms purchases from a real wallet; None if no person can: in a pipe, in CI, with ``--json``."""

    async def ask(question: str) -> bool:
        prompt(f"{question} Go on? [y/N] ")
        if (line := await read_line()) is None:
            tell("")  # Ctrl-D: the next message begins on a line of its own
            return False
        return line.strip().lower() in ("y", "yes")

    if yes:
        from rivya_flows.money.live_guard import agreement

        return agreement(tell)
    return ask if has_person() and not as_json and not variables().get("CI") else None


def confirm_deletion(command: str, sentences: Sequence[str], *, as_json: bool) -> bool:
    """Asks whether a command that takes ``--yes`` may delete what these sentences say; says so if not."""
    confirm = confirmer(yes=False, as_json=as_json)
    if confirm is None:
        reason = f"`{command}` asks first, and there is no terminal to answer at"
        raise UsageError(f"{' '.join(sentences)} {reason}", "add --yes")

    import asyncio

    async def ask() -> bool:
        tell(*sentences[:-1])
        return await confirm(sentences[-1])

    if not (may := asyncio.run(ask())):
        tell("nothing was deleted")
    return may


def has_person() -> bool:
    """Whether a person can read messages and answer them."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def open_page(page: Path | str, say: Callable[[str], object] = tell) -> bool:
    """Opens a page, by its file or address, in the browser; says so and gives False if none can be opened."""
    import webbrowser

    with as_the_user_wants():
        opened = webbrowser.open(page if isinstance(page, str) else page.as_uri())
    if not opened:
        say(f"no browser could be opened: {page}")
    return opened


async def read_line() -> str | None:
    """The next line; None at the end of the input. Can be cancelled, unlike a thread that reads."""
    import asyncio

    loop = asyncio.get_running_loop()
    typed: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        if not typed.done():
            typed.set_result(None)

    loop.add_reader(sys.stdin, ready)
    try:
        await typed
        return sys.stdin.readline() or None
    except asyncio.CancelledError:
        tell("")  # the deadline or an answer came: the next message begins on a line of its own
        with contextlib.suppress(Exception):  # it is no terminal
            import termios

            termios.tcflush(sys.stdin, termios.TCIFLUSH)  # what was typed answers nothing else
        raise
    finally:
        loop.remove_reader(sys.stdin)
