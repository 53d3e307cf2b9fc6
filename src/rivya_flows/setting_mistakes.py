"""Where settings are set, and names that are meant to be settings: for errors, `doctor` and the guard of purchases."""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from rivya_flows import environment
from rivya_flows.folder_settings import (
    ENVIRONMENT,
    NEVER_OF_THE_FOLDER,
    OF_THE_FOLDER,
    EnvEntry,
    entries_of_environment,
    entry_of,
    read_env_file,
)
from rivya_flows.settings import BETWEEN_PROCESSES, Settings

_ALIKE = 0.85  # how similar a name must be to that of a setting to mean it, from 0 to 1
_OURS = "RIVYA"  # only our settings begin so: any other such name is a mistake
_LIKE_OURS = "RIV"  # a name that begins so and is like that of a setting is perhaps a mistake

_ELSEWHERE = {
    **dict.fromkeys(("URL", "API_URL", "ENDPOINT", "API_ENDPOINT", "HOST"), "BASE_URL"),
    **dict.fromkeys(("KEY", "TOKEN", "API_TOKEN", "ACCESS_TOKEN"), "API_KEY"),
}
"""How other programs call what our settings are: the ends of their names, and of ours."""

_SHORTEST_SHOWN = 20  # characters from which on the last four of a key do not give it away
_NAME = re.compile(r"\bRIVYA_[A-Z0-9_]+")  # our settings in a text
_HOST = "_SERVICE_HOST"  # how the first variable of a service of Kubernetes ends


def with_places(message: str, hint: str | None) -> str:
    """The message of an error, and where the settings are set that it or its hint names."""
    named = dict.fromkeys(_NAME.findall(f"{message} {hint}"))
    places = {name: entry_of(name) for name in named if name.lower() in Settings.model_fields}
    found = [
        f"{_name_with_end(name, one)}: {one.where}"
        for name, one in places.items()
        if one and one.where not in message
    ]
    return f"{message} ({'; '.join(found)})" if found else message


def set_here() -> dict[str, str]:
    """Where each setting is set that counts, by its name, and that of the key with its end."""
    found = {name: entry_of(name) for name in Settings.model_fields.keys() - BETWEEN_PROCESSES}
    return {
        _name_with_end(name.upper(), one): one.where
        for name, one in sorted(found.items())
        if one and (one.where == ENVIRONMENT or name in OF_THE_FOLDER)
    }


def _name_with_end(name: str, entry: EnvEntry) -> str:
    return f"{name} {end_of(entry.value)}" if name == "RIVYA_API_KEY" else name


def end_of(key: str) -> str:
    """The end of a key, ``…abcd``; only ``…`` of one so short that this gives it away."""
    return f"…{key[-4:] if len(key) >= _SHORTEST_SHOWN else ''}"


class Doubt(NamedTuple):
    """A variable that does not do what it seems to, where it is set, and what to do.

    `is_ours`: it begins with ``RIVYA`` and is no setting, so that nothing real is bought beside it.
    """

    name: str
    where: str
    message: str
    hint: str
    is_ours: bool = False


def ignored_of_folder() -> list[Doubt]:
    """Settings that ``.env`` sets although it may not; they are ignored."""
    refused = NEVER_OF_THE_FOLDER | {"prefect_api_url"}
    known = Settings.model_fields.keys() - OF_THE_FOLDER - BETWEEN_PROCESSES - refused
    message, hint = "is ignored in a file of a folder", "set it in the environment, and"
    return [
        Doubt(name, one.where, f"{name} {message}", f"{hint} {one.remove}")
        for name, one in read_env_file().entries.items()
        if name.lower() in known
    ]


def overridden_of_folder() -> list[Doubt]:
    """Settings of ``.env`` for which the environment has another value, which counts."""
    own = {name.upper(): value for name, value in environment.variables().items() if value}
    file = {name.upper(): entry for name, entry in read_env_file().entries.items()}
    message = "has another value in the environment, which counts"
    return [
        Doubt(name, one.where, f"{name} {message}", f"`unset {name}`, or {one.remove}")
        for name, one in file.items()
        if name.lower() in OF_THE_FOLDER and own.get(name, one.value) != one.value
    ]


def unknown_names() -> list[Doubt]:
    """Variables that begin with ``RIVYA``, or like it, and are no setting, of the environment and of ``.env``."""
    known = {name.upper() for name in Settings.model_fields.keys() - BETWEEN_PROCESSES}
    own = entries_of_environment()
    # Kubernetes sets such variables in every container for a service that is called like us.
    services = {name.removesuffix(_HOST) for name in own if name.endswith(_HOST)}
    links = tuple(f"{one}_{kind}" for one in services for kind in ("SERVICE_", "PORT"))
    entries = [
        (name, entry)
        for name, entry in own.items()
        if name.lower() not in BETWEEN_PROCESSES and not name.startswith(links)
    ]
    entries += read_env_file().entries.items()
    found = (_unknown(name, entry, known) for name, entry in sorted(entries))
    return [one for one in found if one is not None]


def _unknown(name: str, entry: EnvEntry, known: set[str]) -> Doubt | None:
    """What is wrong with a name; None if it is a setting, or somebody else's."""
    upper = name.upper()
    if upper in known or not upper.startswith(_LIKE_OURS):
        return None
    is_ours = upper.startswith(_OURS)
    hint, target = entry.remove, _target_of(upper, known)
    if is_ours and upper.endswith("_BUDGET"):
        hint += "; a budget is `--budget N`, or `budget: {credits: N}` in the spec"
    elif target is not None:
        in_file = entry.where != ENVIRONMENT and target.lower() in OF_THE_FOLDER
        instead = f"set {target} in the environment instead"
        hint = f"write {target} instead, or {hint}" if in_file else f"{hint}, and {instead}"
    elif is_ours:
        hint += "; a variable of yours needs a name that does not begin with RIVYA"
    else:
        return None
    message = f"{name} is no setting, and changes nothing"
    return Doubt(name, entry.where, message, hint, is_ours)


def _target_of(upper: str, known: set[str]) -> str | None:
    """The setting that a name resembles, also without or with ``FLOWS_``; None for a longer name."""
    if upper.startswith(tuple(f"{one}_" for one in known)):
        return None
    end = upper.removeprefix("RIVYA_").removeprefix("FLOWS_")
    end = _ELSEWHERE.get(end, end)
    spellings = (f"RIVYA_{end}", f"RIVYA_FLOWS_{end}", upper)
    found = (difflib.get_close_matches(one, known, 1, _ALIKE) for one in spellings)
    return next((match for [match] in filter(None, found)), None)
