"""What each other command prints with ``--json``, and some for people; `test_runs` has the runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

import rivya_flows
from frozen.conftest import Stage
from frozen.golden import compare, hash_of, shape
from frozen.seams import OWN, SPECS

DRAFT = """version: 1
name: draft
steps:
  picture:
    uses: generate
    with: {model: z-imge, prompt: A lamp, parms: {aspect_ratio: "1:1"}}
"""
SHOWN = ("z-image", "veo3-1-lite", "elevenlabs-turbo-2-5", "suno-sounds", "gemini-2-5-flash-chat")
WRONG: dict[str, tuple[object, ...]] = {
    "no spec": ("plan",),
    "no file": ("plan", "absent.yaml"),
    "a wrong spec": ("run", "draft.yaml"),
    "a wrong input": ("plan", SPECS / "own-photo.yaml", "-i", "styles=5", "-i", "style=[noir]"),
    "a missing file": ("plan", SPECS / "own-photo.yaml", "-i", "photo=absent.jpg"),
    "over the budget": ("run", SPECS / "social-set.yaml", "--budget", 2),
    "no run": ("receipt", "run-20260101-000000-0000"),
    "no run to resume": ("resume", "run-20260101-000000-0000"),
    "no run to fork": ("fork", "run-20260101-000000-0000"),
    "no step": ("models", "nothing-like-it"),
    "no quote": ("run", "--quote", "absent.quote"),
    "no rows": ("batch", SPECS / "catalogue-batch.yaml", "--rows", "absent.csv"),
    "wrong rows": ("batch", SPECS / "catalogue-batch.yaml", "--rows", OWN / "kinds.yaml"),
    "no answer": ("resume", "last", "--answer", "hero=neon"),
    "unknown option": ("plan", SPECS / "social-set.yaml", "--budgets", 3),
    "a wrong window": ("spend", "--since", "yesterday"),
}


def test_commands_that_run_nothing_print_what_they_ever_did(stage: Stage) -> None:
    (stage.folder / "draft.yaml").write_text(DRAFT)
    (stage.folder / "plain.png").write_bytes((OWN / "look" / "logo.png").read_bytes())
    seen: dict[str, Any] = {
        "error " + name: stage.said(*arguments) for name, arguments in WRONG.items()
    }
    told = {
        "credits": ("credits",),
        "templates": ("init", "--list"),
        "verify": ("verify", "plain.png"),
        "cache": ("cache", "list"),
        "runs": ("runs",),
        "spend": ("spend",),
        "pool": ("budgets", "set", "acme", "--match", "client=acme", "--credits", 9, "--period", "total"),
        "pools": ("budgets", "list"),
        "plan of a pool": ("plan", SPECS / "social-set.yaml", "--label", "client=acme"),
        "plan over a pool": ("plan", SPECS / "own-photo.yaml", "--label", "client=acme"),
        "deploy": ("deploy", SPECS / "product-launch.yaml", "--plan"),
        "plan of a batch": ("batch", SPECS / "catalogue-batch.yaml", "--rows", OWN / "rows.csv", "--plan"),
        "quote": ("plan", SPECS / "social-set.yaml", "--out", "social.quote"),
        "fixed": ("check", "draft.yaml", "--fix"),
    }  # fmt: skip
    seen |= {name: stage.said(*arguments) for name, arguments in told.items()}
    quote = json.loads((stage.folder / "social.quote").read_text())
    for name in ("spec", "spec_text"):
        if isinstance(quote.get(name), str):
            quote[name] = hash_of(quote[name])
    seen["the quote"] = shape(quote)
    seen["doctor"] = shape(stage.said("doctor")["printed"])
    seen["models"] = shape(stage.said("models")["printed"])
    seen |= {f"model {name}": stage.said("models", name)["printed"] for name in SHOWN}
    seen["schema"] = hash_of(stage.call("schema").out)
    (stage.folder / "draft.yaml").write_text(DRAFT)
    for form in ("text", "github", "sarif"):
        said = stage.call("check", "draft.yaml", "--format", form)
        seen[f"check as {form}"] = (said.out + said.err).splitlines()
    seen["difference"] = stage.call("check", "draft.yaml", "--diff").out.splitlines()
    compare("commands", stage.normal(seen))


def test_the_public_names_are_the_same(stage: Stage) -> None:
    compare("public-names", {"all": sorted(rivya_flows.__all__)})
    planned = rivya_flows.plan(SPECS / "product-launch.yaml")
    assert planned.document == stage.said("plan", SPECS / "product-launch.yaml")["printed"]
    assert rivya_flows.check(SPECS / "product-launch.yaml") == ()
    with pytest.raises(rivya_flows.SpecError):
        rivya_flows.load(OWN / "rows.csv")


@pytest.mark.prefect
def test_commands_about_runs_print_what_they_ever_did(stage: Stage) -> None:
    label = ("--label", "client=acme")
    (stage.folder / "social.csv").write_text("")
    stage.said("run", SPECS / "social-set.yaml", "--cache", "spec", *label)
    stage.said("plan", OWN / "chain.yaml", "--out", "chain.quote", *label)
    told: dict[str, tuple[object, ...]] = {
        "quoted": ("run", "--quote", "chain.quote"),
        "quoted again": ("run", "--quote", "chain.quote"),
        "wrong answer": ("resume", "RUN", "--answer", "hero=ash"),
        "answered": ("resume", "RUN", "--answer", "hero=2", "--by", "Ana"),
        "ended": ("resume", "RUN"),
        "fork": ("fork", "RUN", "--from", "hero", "--plan"),
        "no such step": ("fork", "RUN", "--from", "heroes", "--plan"),
        "forked": ("fork", "RUN", "-i", "light=evening", "--label", "client=other"),
        "runs": ("runs",),
        "runs of a label": ("runs", "--label", "client=acme", "--status", "completed"),
        "spend": ("spend", "--by", "client,model"),
        "spend by step": ("spend", "--by", "spec,step", "--label", "client=acme"),
        "compare": ("compare", "last"),
        "cache": ("cache", "list"),
        "prune cache": ("cache", "prune", "--all", "--plan"),
        "prune store": ("store", "prune", "--older-than", 0, "--plan"),
        "remove": ("store", "remove", "RUN", "--yes"),
    }
    seen: dict[str, Any] = {}
    text: dict[str, list[str]] = {}
    for name, arguments in told.items():
        if name == "remove":
            text["receipt"] = stage.call("receipt", stage.runs[-2]).out.splitlines()
            seen = stage.normal(seen)
            removed = stage.runs.pop()
            arguments = tuple(removed if one == "RUN" else one for one in arguments)
        seen[name] = stage.said(*arguments)
    for name in ("runs", "spend"):
        text[name] = [" ".join(line.split()) for line in stage.call(name).out.splitlines()]
    compare("commands-of-runs", stage.normal({"printed": seen, "text": text}))
