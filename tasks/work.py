"""Tasks for what is done on this machine: final cuts, picks, functions and callbacks."""

from __future__ import annotations

from prefect import Task

from rivya_flows.engine import actions, drawing, functions

compose = Task(drawing.compose, name="compose")
lay_out = Task(drawing.lay_out, name="layout")
pick = Task(actions.pick, name="pick")
miss_pick = Task(actions.miss_pick, name="pick")
call_function = Task(functions.call_function, name="function")
post_callback = Task(actions.notify, name="notify")
