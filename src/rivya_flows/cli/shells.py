"""Completion scripts of bash, zsh and fish, and the format of their input.

Click's own scripts cut a word of bash at its ``=`` and a word of fish at its comma, and add a space
after an incomplete name. Words may come from an untrusted spec, so they are quoted.
"""

from __future__ import annotations

import shlex
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

from rivya_flows.environment import variables

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
    """Completes the words of the line, which bash has cut at ``=`` and ``:``."""

    source_template = _BASH
    _start = ""
    _quote = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = variables()["COMP_LINE"]
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        raw = line.rsplit(maxsplit=1)[-1] if incomplete else ""
        self._quote = next((one for one in "'\"" if raw.count(one) % 2), "")
        # The value of --name=value alone is completed.
        given = incomplete.partition("=")[2] if incomplete.startswith("--") else incomplete
        breaks = set(variables().get("COMP_WORDBREAKS", "")) & {"=", ":"}
        cut = 0 if self._quote else 1 + max((given.rfind(one) for one in breaks), default=-1)
        self._start = given[:cut]
        return words[1:], incomplete

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
