"""Read the settings; a wrong one is a `UsageError`."""

from __future__ import annotations

from pathlib import Path

from rivya_flows.cli.output import tell
from rivya_flows.errors import UsageError
from rivya_flows.private import secure_data
from rivya_flows.settings import Settings, ignored_of_folder, read_settings

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
    return found


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
