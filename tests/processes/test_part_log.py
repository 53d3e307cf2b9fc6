from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

from rivya_flows.processes.supervisor import JsonLines, former, keep_small, start

WRITER = """\
import sys
for line in sys.stdin:
    print(line.strip(), file=sys.stderr, flush=True)
"""


def test_a_process_writes_on_at_the_beginning_of_its_emptied_log(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    with log.open("ab") as file:
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stderr=file, text=True
        )
    assert child.stdin is not None
    child.stdin.write("first\n" * 10)
    child.stdin.flush()
    while log.stat().st_size < 60:
        pass
    keep_small(log, most_bytes=100)
    assert not former(log).exists()
    keep_small(log, most_bytes=50)
    assert (former(log).read_text(), log.read_text()) == ("first\n" * 10, "")
    child.communicate("second\n")
    assert log.read_text() == "second\n"


def test_a_log_stays_small_where_the_former_one_cannot_be_written(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("much")
    former(log).mkdir()  # as where the disk is full
    keep_small(log, most_bytes=1)
    assert log.read_text() == ""


def test_a_part_appends_to_a_log_that_begins_empty(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("of an earlier process")
    (tmp_path / "writes.py").write_text("import os, sys\nos.truncate(sys.argv[1], 0)\nprint('x')\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    start("part", ("writes", str(log)), environment, log).handle.wait()
    assert log.read_text() == "x\n"


def test_a_json_line_has_the_names_of_prefects_and_no_line_feed() -> None:
    record = logging.LogRecord("watcher", logging.WARNING, "", 1, "worker died\n%s", ("x",), None)
    document = json.loads(JsonLines().format(record))
    assert (document["severity"], document["msg"]) == ("WARNING", "worker died\nx")
    assert "\n" not in JsonLines().format(record)
