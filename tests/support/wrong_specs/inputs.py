"""Wrong specs: declarations of inputs."""

from __future__ import annotations

from support.wrong_specs.pieces import HEAD, INPUTS, STILL

DECLARATIONS = {
    "unknown input key": (
        "unknown-key",
        HEAD + "inputs:\n  a: {type: text, ☞defautl: x}\nsteps:\n" + STILL,
        "did you mean 'default'?",
    ),
    "broken pattern of an input that a deployment gives": (
        "bad-input",
        HEAD
        + "inputs:\n  a: {type: string, ☞pattern: '(', default: x}\nsteps:\n"
        + STILL
        + "deploy: [{name: weekly, inputs: {a: y}}]\n",
        "write a regular expression such as [A-Z]{2}-[0-9]+; min and max count characters",
    ),
    "input type of another language": (
        "wrong-choice",
        HEAD + "inputs:\n  a: {type: ☞image}\nsteps:\n" + STILL,
        "write `type: file` and `kind: image`",
    ),
    "list of another language's kind": (
        "wrong-choice",
        HEAD + "inputs:\n  a: {type: list, of: ☞image}\nsteps:\n" + STILL,
        "write `of: file` and `kind: image`",
    ),
    "input without a type": (
        "missing-key",
        HEAD + "inputs:\n  ☞a: {default: x}\nsteps:\n" + STILL,
        "add `type: string`",
    ),
    "unknown input type": (
        "wrong-choice",
        HEAD + "inputs:\n  a: {type: ☞str}\nsteps:\n" + STILL,
        "did you mean 'string'?",
    ),
    "default of another type": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: integer, default: ☞'5'}\nsteps:\n" + STILL,
        "write a whole number, without quotes",
    ),
    "default out of range": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: integer, default: ☞9, max: 5}\nsteps:\n" + STILL,
        "write a whole number of at most 5, without quotes",
    ),
    "default outside the enum": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: enum, values: [x, y], default: ☞z}\nsteps:\n" + STILL,
        "one of: x, y",
    ),
    "default that is no file": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: file, default: ☞5}\nsteps:\n" + STILL,
        "give the path or URL of a media file, or the id of an upload",
    ),
    "enum without values": (
        "bad-input",
        HEAD + "inputs:\n  ☞a: {type: enum}\nsteps:\n" + STILL,
        "add `values: [first, second]`",
    ),
    "values without enum": (
        "bad-input",
        HEAD + "inputs:\n  a: {type: text, ☞values: [x]}\nsteps:\n" + STILL,
        "write `type: enum`",
    ),
    "pattern that cannot be read": (
        "bad-input",
        HEAD + "inputs:\n  a: {type: string, ☞pattern: '('}\nsteps:\n" + STILL,
        "write a regular expression such as [A-Z]{2}-[0-9]+; min and max count characters",
    ),
    "pattern that could take for ever": (
        "bad-input",
        HEAD + "inputs:\n  a: {type: string, ☞pattern: '(?=a)(a+)+'}\nsteps:\n" + STILL,
        "write a regular expression such as [A-Z]{2}-[0-9]+; min and max count characters",
    ),
    "no as yes or no": (
        "wrong-type",
        HEAD + "inputs:\n  a: {type: text, required: ☞no}\nsteps:\n" + STILL,
        "write true or false",
    ),
    "secret that is given": (
        "wrong-default",
        HEAD + "inputs:\n  a: {type: secret, default: ☞hunter2}\nsteps:\n" + STILL,
        "write env:NAME for an environment variable, or block:NAME",
    ),
}
"""Declarations of inputs."""

DEPLOYMENTS = {
    "deploy of an unknown input": (
        "unknown-input",
        HEAD + "steps:\n" + STILL + "deploy:\n  - name: a\n    inputs: {☞b: 1}\n",
        "the spec has no inputs",
    ),
    "deploy with a path": (
        "wrong-input",
        HEAD + INPUTS + "steps:\n" + STILL + "deploy:\n  - name: a\n    inputs: {photo: ☞a.jpg}\n",
        "give the URL of an image file, or the id of an upload",
    ),
    "schedule without an input": (
        "missing-input",
        HEAD
        + "inputs:\n  a: {type: text}\nsteps:\n"
        + STILL
        + "deploy:\n  - ☞name: a\n    schedules: [{cron: 0 9 * * 1}]\n",
        "add `inputs: {a: …}`, or give the input a default",
    ),
    "cron of four fields": (
        "bad-schedule",
        HEAD + "steps:\n" + STILL + "deploy:\n  - {name: a, schedules: [{cron: ☞0 9 * *}]}\n",
        "write minute hour day month weekday, such as 0 9 * * 1",
    ),
    "cron of a minute that no hour has": (
        "bad-schedule",
        HEAD + "steps:\n" + STILL + "deploy:\n  - {name: a, schedules: [{cron: ☞61 9 * * 1}]}\n",
        "write minute hour day month weekday, such as 0 9 * * 1",
    ),
    "two kinds of schedule": (
        "bad-schedule",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - {name: a, schedules: [☞{cron: 0 9 * * 1, interval: 5m}]}\n",
        'write {cron: "0 9 * * 1"}',
    ),
    "unknown time zone": (
        "bad-schedule",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - {name: a, schedules: [{cron: 0 9 * * 1, timezone: ☞Asia/Kolkatta}]}\n",
        "did you mean 'Asia/Kolkata'?",
    ),
    "a work pool that is a list": (
        "wrong-type",
        HEAD + "steps:\n" + STILL + "deploy:\n  - {name: a, work_pool: ☞[b]}\n",
        "write NAME, or {name: NAME, job_variables: {memory: 4096}}",
    ),
    "an unknown key of a work pool": (
        "unknown-key",
        HEAD + "steps:\n" + STILL + "deploy:\n  - {name: a, work_pool: {name: b, ☞pool: c}}\n",
        "there are: name, queue, job_variables",
    ),
    "a job variable that decides what runs": (
        "operator-only",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - {name: a, work_pool: {name: b, job_variables: {☞command: env}}}\n",
        "a spec sets cpu, cpu_limit, cpu_request, mem_limit, memory, memory_limit, memory_request, scratch; "
        "set others when you deploy, with `deploy --job-variable command=VALUE`, or in the base job template of the pool",
    ),
    "an environment in the other spelling": (
        "operator-only",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - name: a\n    work_pool: {name: b, job_variables: {☞env.PYTHONPATH: c}}\n",
        "a spec sets cpu, cpu_limit, cpu_request, mem_limit, memory, memory_limit, memory_request, scratch; "
        "set others when you deploy, with `deploy --job-variable env.PYTHONPATH=VALUE`, or in the base job template of the pool",
    ),
    "memory that Prefect would fill in": (
        "wrong-value",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - name: a\n    work_pool: {name: b, job_variables: {memory: ☞'{{ x }}'}}\n",
        "write a number, or one such as 4Gi",
    ),
    "a queue that Prefect would fill in": (
        "expression-not-allowed",
        HEAD
        + "steps:\n"
        + STILL
        + "deploy:\n  - {name: a, work_pool: {name: b, queue: ☞'{{ x }}'}}\n",
        "remove it",
    ),
    "a tag that Prefect would fill in": (
        "expression-not-allowed",
        HEAD + "steps:\n" + STILL + "deploy:\n  - {name: a, tags: [b, ☞'{{ $HOME }}']}\n",
        "remove it",
    ),
    "two deployments of one name": (
        "duplicate-name",
        HEAD + "steps:\n" + STILL + "deploy: [{name: a}, {name: ☞a}]\n",
        "rename one of them",
    ),
}
"""Deployments."""
