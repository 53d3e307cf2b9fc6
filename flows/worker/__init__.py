"""A worker that executes many runs in few processes: ``prefect worker start --type campaign``.

A campaign waits nearly all of its time, so its processes are shared: `campaign_worker` takes flow
runs from Prefect and hands each to a host; `hosts` starts, watches and ends the hosts, and says what both say to each other;
`host_process` is what runs in one.
"""
