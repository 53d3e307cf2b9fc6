"""Tasks for what is done on this machine: final cuts, picks, reviews, functions and callbacks."""

from __future__ import annotations

from prefect import Task

from rivya_flows.engine import work

inspect = Task(work.inspect_medium, name="inspect")
compose = Task(work.compose, name="compose")
lay_out = Task(work.lay_out, name="layout")
pick = Task(work.pick, name="pick")
review = Task(work.review, name="review")
miss_pick = Task(work.miss_pick, name="pick")
call_function = Task(work.call_function, name="function")
post_callback = Task(work.notify, name="notify")
