"""The task for files: an upload to the service."""

from __future__ import annotations

from prefect import Task

from rivya_flows.engine import files

upload = Task(files.upload, name="upload")
