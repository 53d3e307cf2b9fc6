"""Child process of `local_sandbox`: a sandbox that ends after its last user."""

from __future__ import annotations

import sys
from pathlib import Path

from rivya_flows.app.processes.locks import watch
from rivya_sandbox.cli import run

if __name__ == "__main__":
    watch(Path(sys.argv[1]))
    sys.exit(run(sys.argv[2:]))
