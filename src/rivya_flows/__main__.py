"""The console script, which ends well also where Ctrl-C comes while it is imported."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Runs the command line."""
    try:
        from rivya_flows.cli.main import main as run  # takes longest

        run()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
