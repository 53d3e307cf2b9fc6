"""Read the settings; a wrong one is a `UsageError`."""

from __future__ import annotations

from urllib.parse import urlsplit

from rivya_flows.cli.output import tell
from rivya_flows.folder_files import prefect_profile, refuse_prefect_files
from rivya_flows.private import secure_data
from rivya_flows.setting_names import ignored_of_folder, unknown_names
from rivya_flows.settings import Settings, read_settings

_TOLD: set[str] = set()
"""Profiles and variables that a command of this process has named."""


def settings(*, uses_data: bool = True) -> Settings:
    """The settings as they stand now.

    Args:
        uses_data: The command works with the data folder, which is made private to its owner.

    Raises:
        UsageError: A variable has a value that it cannot have, `.env` is not text, a file of
            this folder configures what no folder may, or the data folder cannot be trusted.
    """
    found = read_settings()
    refuse_prefect_files(found.rivya_flows_trust_folder)
    if uses_data:
        for name, (where, remove) in ignored_of_folder().items():
            tell(
                f"note: {where}: {name} is ignored in a file of a folder;"
                f" set it in the environment, and {remove}"
            )
        for one in unknown_names():
            if one.name not in _TOLD:
                _TOLD.add(one.name)
                tell(
                    f"warning: {one.where}: {one.name} is no setting, and changes nothing: {one.hint}"
                )
        secure_data(found.data)
    return found if found.prefect_api_url else _of_profile(found)


def _of_profile(found: Settings) -> Settings:
    """The settings with the address of the active Prefect profile.

    Without it where it names this machine and nothing answers there: Prefect makes such a profile for
    everybody who has once started a server. Nor where `up` left its server, whose password lies
    beside it.
    """
    from rivya_flows.app.processes import ports, registry
    from rivya_flows.app.shared_store_checks import shown_url
    from rivya_flows.hosts import is_loopback

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
