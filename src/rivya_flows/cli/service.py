"""The settings and the service that a command uses: the real one, or the local sandbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from rivya_flows.cli.interrupts import run_interruptibly
from rivya_flows.cli.output import tell

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_client.catalogue.catalogue import Catalogue
    from rivya_client.client import RivyaClient
    from rivya_flows.engine.run_context import RunContext
    from rivya_flows.runs.execution import Caller
    from rivya_flows.settings import Settings

T = TypeVar("T")
_TOLD: set[str] = set()
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
            tell(f"note: {one.where}: {one.words}; {one.hint}")
        for one in unknown_names():
            if one.name not in _TOLD:
                _TOLD.add(one.name)
                tell(f"warning: {one.where}: {one.words}: {one.hint}")
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
    from rivya_flows.store.shared_store_checks import shown_url

    profile = prefect_profile()
    if profile is None:
        return found
    name, url = profile
    if is_loopback(url):
        server = registry.read(found.data).part("server")
        port = urlsplit(url).port
        if not port or ports.is_free(port) or (server and urlsplit(server.url).port == port):
            return found
    if name not in _TOLD:
        _TOLD.add(name)
        tell(f"uses the Prefect server of profile {name} at {shown_url(url)}")
    return found.model_copy(update={"prefect_api_url": url})


def caller(*, sandbox: bool = False) -> Caller:
    """The command line as it calls `runs`."""
    from rivya_flows.flows.execution.local_runner import LocalRunner
    from rivya_flows.runs.execution import Caller

    return Caller(settings(), LocalRunner(), sandbox, tell)


def at_home(*, sandbox: bool) -> AbstractAsyncContextManager[RunContext]:
    """The open things of this machine, with the settings of the command line."""
    return caller(sandbox=sandbox).connect()


def asked(work: Callable[[RivyaClient, RunContext], Awaitable[T]], *, sandbox: bool) -> T:
    """What `work` gives, which gets a client of the service; the first Ctrl-C cancels it."""

    async def ask() -> T:
        async with at_home(sandbox=sandbox) as context, context.first_client(tell) as client:
            return await work(client, context)

    return run_interruptibly(lambda _: ask())


def catalogue_of(*, live: bool, sandbox: bool = False) -> Catalogue:
    """The models that the service has now if `live`; else those that are known."""
    from rivya_flows.preparation.catalogue_cache import known_catalogue, read_catalogue

    return asked(read_catalogue, sandbox=sandbox) if live else known_catalogue(settings())
