"""An S3-compatible server on loopback, for tests of what lies on an object store."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rivya_flows.processes.ports import choose_port

BUCKET = "campaigns"
_SECONDS = 240  # a busy machine needs many
_PAUSE = 0.05


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """The variables of the environment with which any client of S3 finds a server of our own.

    Skips the test where the server or the client is not installed.
    """
    for package in ("moto", "flask", "s3fs"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"S3: {package} is not installed")
    port = choose_port(0, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        give_up = time.monotonic() + _SECONDS
        while not _listens(port):
            assert process.poll() is None, "the S3 server ended"
            assert time.monotonic() < give_up, "the S3 server does not start"
            time.sleep(_PAUSE)
        yield {
            "AWS_ACCESS_KEY_ID": "studio",
            "AWS_SECRET_ACCESS_KEY": "sesame",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
