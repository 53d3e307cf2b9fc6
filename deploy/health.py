"""Whether what listens in this container answers; one that listens nowhere is judged by its process."""

import os
import socket
import sys
import urllib.request

LOOPBACK = "127.0.0.1"
PATHS = {
    int(os.environ.get("PREFECT_SERVER_API_PORT", "4200")): "/api/health",
    int(os.environ.get("PREFECT_WORKER_WEBSERVER_PORT", "8080")): "/health",
    8710: "/healthz",
}


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    with socket.socket() as connection:
        connection.settimeout(2)
        return connection.connect_ex((LOOPBACK, port)) == 0


def main() -> None:
    """Exits with 1 if something that listens does not answer with success."""
    for port in filter(listens, PATHS):
        try:
            urllib.request.urlopen(f"http://{LOOPBACK}:{port}{PATHS[port]}", timeout=5).close()
        except OSError as error:
            sys.exit(f"{LOOPBACK}:{port}{PATHS[port]}: {error}")


if __name__ == "__main__":
    main()
