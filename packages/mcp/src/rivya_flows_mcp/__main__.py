"""``rivya-flows-mcp``: the command `rivya-flows mcp` as a program of its own, which a client may name."""

import sys

from rivya_flows.cli.main import main as rivya_flows


def main() -> None:
    """The console script."""
    sys.argv.insert(1, "mcp")
    rivya_flows()


if __name__ == "__main__":
    main()
