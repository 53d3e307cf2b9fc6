"""What the files of the current folder may set: ``.env``, and those that configure Prefect.

The environment is the user's own; the folder, and its files, may be a stranger's.
"""

from __future__ import annotations

import io
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dotenv.parser import parse_stream

from rivya_flows import environment
from rivya_flows.errors import UsageError

_ENV_FILE = Path(".env")

MAX_ENV_FILE_BYTES = 64 << 10
MAX_TOML_BYTES = 1 << 20
MAX_MISTAKES = 20  # of a file, that are reported

ENVIRONMENT = "environment"

OF_THE_FOLDER = frozenset(
    {
        "rivya_api_key",  # its own account
        "rivya_base_url",  # only with a key in the same file, see `settings_of_folder`
        "rivya_flows_specs",  # specs lie in the folder too
        # Pace: these cost time, as a spec of the folder may.
        "rivya_poll_seconds",
        "rivya_flows_requests_per_second",
        "rivya_flows_resend_hours",
        "rivya_flows_outage_retries",
        "rivya_flows_webhooks",
        "rivya_flows_webhook_poll_seconds",
        "rivya_flows_worker_limit",
        "rivya_flows_worker_drain_seconds",
        "rivya_flows_model_parallel",
        "rivya_flows_global_limit",
        "rivya_flows_catchup_grace_seconds",
    }
)
"""Settings that ``.env`` may set. The others decide who gets prompts, receipts and secrets, or what
code runs."""

NEVER_OF_THE_FOLDER = frozenset(
    {"rivya_flows_data", "rivya_flows_store", "rivya_flows_assets", "rivya_flows_sandbox"}
)
"""Refused and not ignored: with another journal, finished work would be bought again, and a person who asks for
the sandbox must not buy from a real wallet."""

_OF_COMPOSE = frozenset({"prefect_auth", "prefect_ui_api_url", "prefect_ui_origin"})
"""Variables of ``compose.yaml`` that are not settings of Prefect."""

_PREFECT_FILES = {"prefect.toml": (), "pyproject.toml": ("tool", "prefect")}
"""The files that configure Prefect beside ``.env``, the one that counts first, and where in them its
settings are. Source: ``prefect/settings/sources.py`` of Prefect 3.9."""


class EnvEntry(NamedTuple):
    """A value, where it is set, ``environment`` or ``.env, line 3``, and what removes it there."""

    value: str
    where: str
    remove: str


class EnvFile(NamedTuple):
    """The non-empty values of an ``.env`` file by name, and what is wrong with its lines."""

    entries: dict[str, EnvEntry]
    wrong: list[UsageError]


def refuse(wrong: Sequence[UsageError]) -> None:
    """Raises all mistakes in the settings as one error, if there are any."""
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        lines = [f"{one}: {one.hint}" for one in wrong]
        raise UsageError(
            "\n".join([f"{len(lines)} mistakes in the settings", *lines]), "correct them"
        )


def entries_of_environment() -> dict[str, EnvEntry]:
    """The variables of the environment that are not empty."""
    own = environment.variables()
    return {
        name: EnvEntry(value, ENVIRONMENT, f"`unset {shlex.quote(name)}`")
        for name, value in own.items()
        if value
    }


def entry_of(name: str) -> EnvEntry | None:
    """A setting, and where it has its value from; the environment overrides ``.env``."""
    found = [*entries_of_environment().items(), *read_env_file().entries.items()]
    return next((one for given, one in found if given.upper() == name.upper()), None)


def settings_of_folder(chosen: Mapping[str, object]) -> tuple[Mapping[str, str], list[UsageError]]:
    """The settings that ``.env`` sets and may set, by name, and what is wrong with the file: also where it
    would send a key from elsewhere to its address, or configure Prefect, which reads it by itself.
    """
    entries, wrong = read_env_file()
    found = {name.lower(): entry for name, entry in entries.items()}
    trusts = _trusts(chosen.get("rivya_flows_trust_folder"))
    for name in sorted(found):
        of_prefect = name.startswith("prefect_") and name not in _OF_COMPOSE
        if name in NEVER_OF_THE_FOLDER or (of_prefect and not trusts):
            hint = f"set it in the environment, and {found[name].remove}"
            message = f"{found[name].where}: {name.upper()} cannot be set by a file in a folder"
            wrong.append(
                UsageError(message, f"{hint}; or, {_trust_hint()}" if of_prefect else hint)
            )
    allowed = {name: entry.value for name, entry in found.items() if name in OF_THE_FOLDER}
    if trusts:
        allowed |= _api_url_of_files()
        allowed |= {name: entry.value for name, entry in found.items() if name == "prefect_api_url"}
    address_counts = "rivya_base_url" in allowed and "rivya_base_url" not in chosen
    foreign_key = "rivya_api_key" not in allowed or "rivya_api_key" in chosen
    if address_counts and foreign_key:
        message = (
            f"{found['rivya_base_url'].where}: RIVYA_BASE_URL counts only together with a"
            " RIVYA_API_KEY in the same file, so that no other key is sent there"
        )
        hint = "write the key of that service into the file too"
        if "rivya_api_key" in allowed:
            hint = "`unset RIVYA_API_KEY` to use the key of the file"
        wrong.append(UsageError(message, f"set RIVYA_BASE_URL in the environment, or {hint}"))
    return allowed, wrong[:MAX_MISTAKES]


def read_env_file(file: Path = _ENV_FILE) -> EnvFile:
    """The values of an ``.env`` file; none if it is not a file, or cannot be read.

    ``${NAME}`` is not expanded: it would copy variables of the environment, such as the key.
    """
    if not file.is_file():
        return EnvFile({}, [])
    try:
        text = _read(file, MAX_ENV_FILE_BYTES).decode()
    except UnicodeDecodeError:
        hint = "save it as UTF-8, or remove it"
        return EnvFile({}, [UsageError(f"{file} is not UTF-8 text", hint)])
    except (OSError, ValueError) as error:
        message = getattr(error, "strerror", None) or error
        return EnvFile({}, [UsageError(f"{file}: {message}", "make it readable, or smaller")])
    values, wrong = dict[str, EnvEntry](), list[UsageError]()
    for line in parse_stream(io.StringIO(text)):
        # Nothing of the line is shown: it may be a key.
        written = line.original.string.lstrip()
        number = line.original.line + line.original.string[: -len(written)].count("\n")
        if line.error or (line.key and line.value is None):
            message = "cannot be read" if "=" in written else 'no "="'
            hint = "write NAME=value, with both quotes or none"
            wrong.append(UsageError(f"{file}, line {number}: {message}", hint))
        elif line.key:
            where, remove = f".env, line {number}", f"remove line {number} of .env"
            before = values.get(line.key)
            if before and before.value != line.value and line.key.upper().startswith("RIVYA"):
                message = (
                    f"{file}, line {number}: {line.key} has another value than in {before.where}"
                )
                wrong.append(UsageError(message, f"{remove}, or {before.remove}"))
            values[line.key] = EnvEntry(line.value or "", where, remove)
    entries = {name: entry for name, entry in values.items() if entry.value}
    return EnvFile(entries, wrong[:MAX_MISTAKES])


def refuse_prefect_files(trusted: Path | None) -> None:
    """Refuses files of the current folder, beside ``.env``, from which Prefect would configure itself.

    They name the server that gets prompts and keys, and can let Prefect call any code. It reads them
    when it is imported, and we cannot prevent it.
    """
    if _trusts(trusted):
        return
    for name, keys in _PREFECT_FILES.items():
        if _of_toml(Path(name), keys) is not None:
            where = f", [{'.'.join(keys)}]," if keys else ""
            raise UsageError(
                f"{name}: Prefect's settings{where} cannot come from a folder",
                f"set it in the environment; or, {_trust_hint()}; or call the command from another"
                " folder",
            )


def prefect_profile() -> tuple[str, str] | None:
    """Name and API address of the user's active Prefect profile, never from the current folder; None if it
    names no address. Read here, since Prefect takes more than a second to be imported.
    """
    own = environment.variables()
    home = Path(own.get("PREFECT_HOME") or "~/.prefect").expanduser()
    file = Path(own.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    if not (file.is_absolute() and file.is_file()):
        return None
    try:
        found = tomllib.loads(_read(file, MAX_ENV_FILE_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{file}: {getattr(error, 'strerror', None) or 'not a file of Prefect profiles'}",
            "mend it, or set PREFECT_API_URL",
        ) from None
    name = own.get("PREFECT_PROFILE") or found.get("active")
    profiles = found.get("profiles")
    profile = profiles.get(name) if isinstance(profiles, dict) else None
    url = profile.get("PREFECT_API_URL") if isinstance(profile, dict) else None
    return (str(name), url) if isinstance(url, str) and url else None


def _api_url_of_files() -> dict[str, str]:
    """The address of a server that the files of a trusted folder name beside ``.env``."""
    for name, keys in _PREFECT_FILES.items():
        api = (_of_toml(Path(name), keys) or {}).get("api")
        url = api.get("url") if isinstance(api, dict) else None
        if isinstance(url, str) and url:
            return {"prefect_api_url": url}
    return {}


def _of_toml(file: Path, keys: tuple[str, ...]) -> dict[str, object] | None:
    """What a file has under these keys; None if it is not there.

    Empty where it cannot be read: Prefect reads it too, and may understand more of it.
    """
    if not file.exists():
        return None
    try:
        found: object = tomllib.loads(_read(file, MAX_TOML_BYTES).decode())
    except (OSError, ValueError, RecursionError):
        return {}
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if found is None or isinstance(found, dict) else {}


def _read(file: Path, most: int) -> bytes:
    """The bytes of a file of at most so many; `ValueError` of a larger one, or a pipe, which has no end."""
    if not file.is_file():
        raise ValueError("is not a file")
    with file.open("rb") as opened:
        content = opened.read(most + 1)
    if len(content) > most:
        raise ValueError(f"is larger than {most >> 10} KiB")
    return content


def _trusts(folder: object) -> bool:
    """Whether the current folder is this one."""
    if not isinstance(folder, str | Path) or not Path(folder).is_absolute():
        return False
    try:
        return Path(folder).samefile(Path())
    except OSError:
        return False


def _trust_hint() -> str:
    # Quoted, because people copy it and the folder's name may be hostile.
    path = shlex.quote(str(Path.cwd()))
    return f"if the files of this folder are yours, `export RIVYA_FLOWS_TRUST_FOLDER={path}`"
