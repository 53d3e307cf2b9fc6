"""The name of the command, as the shell that started it can call it again."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "rivya-flows"
COMMAND = r"(?:^|(?<=[:;] )|(?<=  )|(?<=`))"
"""What a command to copy stands behind: where its line begins, a colon, two blanks, a backtick."""

_NAMED = re.compile(rf"{COMMAND}{NAME}(?= [a-z-])", re.MULTILINE)


@cache
def program(*, elsewhere: bool = False) -> str:
    """`NAME` where PATH leads to what was started, else its path as it was typed, quoted for a shell.

    Args:
        elsewhere: It is called from another folder, so the path is absolute.
    """
    typed = Path(sys.argv[0])
    found = shutil.which(NAME)
    if typed.name != NAME or not typed.exists() or (found and typed.samefile(found)):
        return NAME
    return shlex.quote(str(typed.absolute()) if elsewhere else sys.argv[0])


def callable_here(text: str) -> str:
    """A text whose commands to copy begin with `program`."""
    return text if program() == NAME else _NAMED.sub(lambda _: program(), text)
