"""What the Tab key offers, and how bash, zsh and fish ask for it.

A completer must answer before the person types on: it asks no service, imports neither Prefect nor
SQLAlchemy, and only reads the store. What cannot be read gives no names and no error.

Click's own scripts cut a word of bash at its ``=`` and a word of fish at its comma, and add a space
after an incomplete name. Words may come from an untrusted spec, so they are quoted.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

from rivya_flows.environment import data_folder, variables
from rivya_flows.store import names

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]
Names = Iterable[str | tuple[str, str]]
"""Names, or names each with what it is. One that ends with ``=`` or ``/`` is incomplete."""

_MOST = 200
_MOST_FILES = 5_000
_TESTS = ".test.yaml"
_REFERENCE = re.compile(r"steps\.([A-Za-z0-9_-]+)")


def completer(find: Callable[[click.Context, str], Names]) -> Completer:
    """A completer that offers the names of `find` that begin with the typed text."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        items = []
        with suppress(Exception):  # such as a store that another version has changed
            named = ((one, "") if isinstance(one, str) else one for one in find(ctx, incomplete))
            # What is not printable could act on the shell or the terminal.
            safe = (one for one in named if one[0].isprintable())
            for name, text in islice(safe, _MOST):
                if name.startswith(incomplete):
                    items.append(CompletionItem(name, help=text if text.isprintable() else None))
        return items

    return complete


@completer
def runs(ctx: click.Context, incomplete: str) -> Names:
    """Ids of runs, newest first; folders of runs once there is a ``/``."""
    if "/" in incomplete:
        return _files(incomplete, "/")
    with names.open_store(_store()) as store:
        found = names.runs(store, incomplete)
    typed = set(_arguments(ctx))
    return [(run.run_id, f"{run.spec}, {run.status}") for run in found if run.run_id not in typed]


@completer
def specs(ctx: click.Context, incomplete: str) -> Names:
    """Specs, and folders."""
    return (one for one in _files(incomplete, ".yaml") if not one.endswith(_TESTS))


@completer
def specs_and_tests(ctx: click.Context, incomplete: str) -> Names:
    """Specs, files of tests, and folders."""
    return _files(incomplete, ".yaml")


@completer
def models(ctx: click.Context, incomplete: str) -> Names:
    """Ids of the shipped models."""
    from rivya_client.catalogue.snapshot import shipped

    return [(one.id, f"{one.display_name}, {one.category}") for one in shipped().models.values()]


@completer
def inputs(ctx: click.Context, incomplete: str) -> Names:
    """``NAME=`` of the spec or the run on the line; its values after the ``=``."""
    declared = _document(ctx).get("inputs") or {}
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [(f"{one}=", _title(about)) for one, about in declared.items()]
    about = declared[name]
    values = [True, False] if about.get("type") == "boolean" else about.get("values")
    return [f"{name}={str(one).lower() if isinstance(one, bool) else one}" for one in values]


@completer
def steps(ctx: click.Context, incomplete: str) -> Names:
    """Steps of the run on the line."""
    found = _document(ctx).get("steps") or {}
    return [(name, _title(about)) for name, about in found.items()]


@completer
def answers(ctx: click.Context, incomplete: str) -> Names:
    """``STEP=`` of an open question of the run on the line; its keys after the ``=``."""
    asked: dict[str, int] = {}
    keys: dict[str, list[str]] = {}
    with names.open_store(_store()) as store:
        kinds = ("question.asked", "answer.given", "item.completed")
        for event in names.events(store, _arguments(ctx)[0], *kinds):
            step, key = event["step"], event.get("key") or ""
            name = "budget" if step == "$budget" else f"{step}[{key}]" if key else step
            if event["kind"] == "question.asked":
                asked[name] = event.get("round", 0)
            elif event["kind"] == "answer.given":
                asked.pop(name, None)
            else:
                keys.setdefault(step, []).append(key)
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [f"{one}=" for one in asked]
    if name == "budget":
        return ["budget=yes", "budget=no"]
    pick = name.partition("[")[0]
    step = (_document(ctx).get("steps") or {}).get(pick) or {}
    of = _REFERENCE.search(str((step.get("with") or {}).get("from")))
    again = f".{asked[name] + 1}" if asked[name] else ""
    source = (f"{pick}.{of[1]}{again}" if again else of[1]) if of else ""
    return [f"{name}={key}" for key in keys.get(source, ()) if key]


@completer
def labels(ctx: click.Context, incomplete: str) -> Names:
    """``NAME=`` of labels that newer runs have; their values after the ``=``."""
    with names.open_store(_store()) as store:
        known = [one for run in names.runs(store) for one in run.labels.items()]
    if "=" not in incomplete:
        return [f"{name}=" for name in dict(known)]
    return dict.fromkeys(f"{name}={value}" for name, value in known)


@completer
def run_names(ctx: click.Context, incomplete: str) -> Names:
    """Names of the specs of newer runs."""
    with names.open_store(_store()) as store:
        return dict.fromkeys(run.spec for run in names.runs(store))


@completer
def pools(ctx: click.Context, incomplete: str) -> Names:
    """Names of pools."""
    with names.open_store(_store()) as store:
        return names.pools(store)


@completer
def templates(ctx: click.Context, incomplete: str) -> Names:
    """Templates of `init`."""
    from importlib import resources

    found = [one.name for one in (resources.files("rivya_flows") / "templates").iterdir()]
    specs = (one for one in found if one.endswith(".yaml") and not one.endswith(_TESTS))
    return sorted(one.removesuffix(".yaml") for one in specs)


def _store() -> str:
    """URL of the store; `Settings.store_url` says the same and takes longer."""
    own = variables()
    data = Path(own.get("RIVYA_FLOWS_DATA") or data_folder()).expanduser().absolute()
    return own.get("RIVYA_FLOWS_STORE") or f"sqlite:///{data / 'journal.sqlite'}"


def _files(incomplete: str, end: str) -> Iterator[str]:
    """Folders, and files whose names have this end."""
    folder, slash, start = incomplete.rpartition("/")
    with os.scandir(Path(folder + slash or ".").expanduser()) as entries:
        found = sorted((one.name, one.is_dir()) for one in islice(entries, _MOST_FILES))
    for name, is_folder in found:
        if name.startswith(".") and not start.startswith("."):
            continue
        if is_folder or name.endswith(end):
            yield f"{folder}{slash}{name}{'/' if is_folder else ''}"


def _arguments(ctx: click.Context) -> list[str]:
    """The arguments on the line so far: click has not read them if an option lacks its value."""
    arguments = (one for one in ctx.command.params if isinstance(one, click.Argument))
    values = [ctx.params.get(one.name or "") for one in arguments]
    flat = [one for value in values for one in (value if isinstance(value, tuple) else (value,))]
    return [*(str(one) for one in flat if one is not None), *ctx.args]


def _document(ctx: click.Context) -> Mapping[str, Any]:
    """The spec on the line, or the one that the run on the line froze, as YAML has it."""
    from rivya_flows.language.syntax.source import MAX_BYTES, read
    from rivya_flows.language.syntax.tree import plain

    named = _arguments(ctx)[0]
    path = Path(named).expanduser()
    if path.is_file():
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode()
    else:
        with names.open_store(_store()) as store:
            text = next(names.events(store, named, "run.frozen"))["spec_text"]
    root, _ = read(text)
    found = plain(root) if root else None
    return found if isinstance(found, dict) else {}


def _title(about: Any) -> str:
    keys = ("title", "type", "uses") if isinstance(about, dict) else ()
    found = next((about[key] for key in keys if about.get(key)), "")
    return found if isinstance(found, str) else ""


_BASH = r"""
%(complete_func)s() {
    local IFS=$'\n' line kind value
    COMPREPLY=()
    while IFS= read -r line; do
        kind=${line%%%%,*} value=${line#*,}
        case $kind in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            open) COMPREPLY+=("$value"); compopt -o nospace 2>/dev/null ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -F %(complete_func)s %(prog_name)s
"""

_ZSH = r"""#compdef %(prog_name)s

%(complete_func)s() {
    local -a response values shown open_values open_shown
    local kind value words_of
    (( ! $+commands[%(prog_name)s] )) && return 1
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for kind value words_of in ${response}; do
        case $kind in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            open) open_values+=("$value"); open_shown+=("$value  $words_of") ;;
            plain) values+=("$value"); shown+=("$value  $words_of") ;;
        esac
    done
    (( $#open_values )) && compadd -U -S '' -l -V unsorted -d open_shown -a open_values
    (( $#values )) && compadd -U -l -V unsorted -d shown -a values
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = r"""
function %(complete_func)s
    for line in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) \
            COMP_CWORD=(commandline -ct | string collect) %(prog_name)s 2>/dev/null)
        set -l parts (string split -m 1 "," -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case '*'
                echo $parts[2]
        end
    end
end
complete --no-files --keep-order --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


def _kind(item: CompletionItem[Any]) -> str:
    """``open`` for an incomplete name, after which the shell puts no space."""
    return "open" if item.type == "plain" and str(item.value).endswith(("=", "/")) else item.type


class _Quiet(ShellComplete):
    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        try:
            return super().get_completions(args, incomplete)
        except (Exception, click.exceptions.Exit):  # an error message would end up in the prompt
            return []


@add_completion_class
class Bash(_Quiet, BashComplete):
    """Completes the arguments of the line, which bash has cut at ``=`` and ``:``."""

    source_template = _BASH
    _start = ""
    _quote = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = variables()["COMP_LINE"]
        parts = split_arg_string(line)
        incomplete = parts.pop() if parts and not line[-1:].isspace() else ""
        raw = line.rsplit(maxsplit=1)[-1] if incomplete else ""
        self._quote = next((one for one in "'\"" if raw.count(one) % 2), "")
        # The value of --name=value alone is completed.
        given = incomplete.partition("=")[2] if incomplete.startswith("--") else incomplete
        breaks = set(variables().get("COMP_WORDBREAKS", "")) & {"=", ":"}
        cut = 0 if self._quote else 1 + max((given.rfind(one) for one in breaks), default=-1)
        self._start = given[:cut]
        return parts[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        value = str(item.value).removeprefix(self._start)
        quoted = value if item.type != "plain" else shlex.quote(value)
        if self._quote and quoted != value:
            return "none,"  # a quote is open already: bash would end it with ours
        return f"{_kind(item)},{quoted}"


@add_completion_class
class Zsh(_Quiet, ZshComplete):
    """zsh quotes by itself, and does not cut words."""

    source_template = _ZSH

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{_kind(item)}\n{item.value}\n{item.help or ' '}"


@add_completion_class
class Fish(_Quiet, FishComplete):
    """fish quotes by itself, and puts no blank after ``=`` and ``/``."""

    source_template = _FISH
