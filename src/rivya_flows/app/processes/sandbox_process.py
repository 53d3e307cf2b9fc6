"""The child that `local_sandbox` starts: a sandbox that ends with its last user."""

from __future__ import annotations

import sys
from pathlib import Path

from rivya_flows.app.processes.last_user import watch
from rivya_sandbox.service.serve import main

if __name__ == "__main__":
    watch(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
