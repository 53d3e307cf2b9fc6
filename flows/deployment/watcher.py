"""Child process of `up` that restarts its parts when they die; `down` ends it first."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import Any

from rivya_flows.app.processes.supervisor import JsonLines, is_json
from rivya_flows.app.up.options import UpOptions
from rivya_flows.app.up.parts import watch
from rivya_flows.app.up.start import bring_up
from rivya_flows.flows.deployment.background_server import BackgroundServer
from rivya_flows.settings import read_settings, variables_for_children

_log = logging.getLogger("rivya_flows.watcher")


def main() -> None:
    """Watch until SIGTERM, by the options of a descriptor: a list of processes would show their passwords."""
    with os.fdopen(int(sys.argv[1])) as pipe:
        given = json.load(pipe)
    settings = read_settings()
    options = UpOptions(settings, variables_for_children(), specs=(), **given)
    prefect = BackgroundServer(options.data)
    signal.signal(signal.SIGTERM, _interrupt)
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(message)s")
    handler.setFormatter(JsonLines() if is_json() else plain)
    _log.addHandler(handler)
    _log.propagate = False  # else Prefect's handler, once it is imported, writes each line again
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
    _log.warning("%s", line)


if __name__ == "__main__":
    main()
