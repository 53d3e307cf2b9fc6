"""Child process of `up` that restarts its parts when they die; `down` ends it first."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any

from rivya_flows.app.up.options import UpOptions
from rivya_flows.app.up.start import bring_up
from rivya_flows.app.up.watch import watch
from rivya_flows.flows.deployment.background_server import BackgroundServer
from rivya_flows.settings import read_settings, variables_for_children


def main() -> None:
    """Watch until SIGTERM.

    Argument of the command: a descriptor to read the options from, as
    `rivya_flows.app.up.options.watcher_options` writes them. They may hold passwords, which lists
    of processes would show.
    """
    with os.fdopen(int(sys.argv[1])) as pipe:
        given = json.load(pipe)
    settings = read_settings()
    options = UpOptions(settings, variables_for_children(), specs=(), **given)
    prefect = BackgroundServer(options.data)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        watch(
            options.data,
            os.getpid(),
            lambda: bring_up(options.restarting(), prefect, _tell),
            _tell,
        )
    except KeyboardInterrupt:
        sys.exit(0)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _tell(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
