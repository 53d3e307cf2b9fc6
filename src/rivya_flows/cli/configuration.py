"""Read the settings; a wrong one is a `UsageError`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows.cli.output import tell
from rivya_flows.errors import UsageError
from rivya_flows.private import secure_data
from rivya_flows.settings import Settings, ignored_of_folder, prefect_profile, read_settings

_TOLD: set[str] = set()
"""Profiles that a command of this process has named."""

_ELSEWHERE = "set it in the environment, or call the command from another folder"


def settings(*, uses_data: bool = True) -> Settings:
    """The settings as they stand now.

    Args:
        uses_data: The command works with the data folder, which is made private to its owner.

    Raises:
        UsageError: A variable has a value that it cannot have, `.env` is not text, a file of
            this folder configures what no folder may, or the data folder cannot be trusted.
    """
    from pydantic import ValidationError

    try:
        found = read_settings()
    except ValidationError as error:
        # The value itself is not shown: it could be a key in the wrong place.
        first = error.errors(include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        raise UsageError(f"{name}: {first['msg']}", "correct or remove it") from None
    refuse_prefect_files(Path())
    for name in ignored_of_folder():
        tell(f"note: .env: {name} is ignored in a file of a folder; set it in the environment")
    if uses_data:
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


def refuse_prefect_files(folder: Path) -> None:
    """Refuse files from which Prefect would configure itself when it is imported.

    They name the server that gets prompts and keys, and can let Prefect call any code. Prefect
    reads them in the current folder alone, and we cannot prevent it.

    Raises:
        UsageError: There is such a file. (`rivya_flows.settings` looks at ``.env``.)

    Source: ``prefect/settings/sources.py`` of Prefect 3.9.
    """
    if (folder / "prefect.toml").exists():
        raise UsageError("prefect.toml: Prefect's settings cannot come from a folder", _ELSEWHERE)
    project = folder / "pyproject.toml"
    if project.exists() and _configures_prefect(project):
        raise UsageError(
            "pyproject.toml: Prefect's settings, [tool.prefect], cannot come from a folder",
            _ELSEWHERE,
        )


def _configures_prefect(project: Path) -> bool:
    import tomllib

    try:
        tool = tomllib.loads(project.read_text("utf-8")).get("tool")
    except (OSError, ValueError, RecursionError):
        return True  # Prefect reads it too, and may understand more of it
    return isinstance(tool, dict) and "prefect" in tool
