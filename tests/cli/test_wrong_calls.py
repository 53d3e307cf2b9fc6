"""Calls that nobody can mean: each exits 2, and says in one line what is wrong or what was meant."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from support.cli_calls import Terminal

NO_AGE = "is not a time of hours, days or weeks; write 12h, 30d or 4w"
WORDS = {
    # what was meant
    "chek": "did you mean 'check'?",
    "rnu": "did you mean 'run'?",
    "cache lst": "did you mean 'list'?",
    "sandbox srve": "did you mean 'serve'?",
    "clean": "\nhint: `rivya-flows store prune`: Delete media",
    "ls": "\nhint: `rivya-flows runs`: List runs",
    "cache ls": "\nhint: `rivya-flows cache list`: List the results",
    "cache rm": "\nhint: `rivya-flows cache prune`: Delete results",
    "price": "\nhint: `rivya-flows plan`: Show the steps",
    "stop": "\nhint: `rivya-flows down`: Stop what",
    "show": "\nhint: `rivya-flows open`: Open the contact sheet",
    "watch": "\nhint: `rivya-flows open`: Open the contact sheet",
    "export": "\nhint: `rivya-flows store export`: Print the journal",
    "batch a.yaml a.csv": "\nhint: for example: rivya-flows batch specs/social-set.yaml --rows rows.csv",
    "login": "\nhint: set RIVYA_API_KEY",
    "cancel": "\nhint: Ctrl-C cancels a run",
    "xyzzy": "\nhint: see `rivya-flows --help`",
    "run a.yaml --dry-run": "\nhint: write --plan",
    "store prune --dry-run": "\nhint: write --plan",
    "plan a.yaml --dry-run": "\nhint: `--plan` is for what buys or changes something",
    "check --watch": "\nhint: see `rivya-flows check --help`",
    "run --verbose a.yaml": "\nhint: write it before the command",
    "run a.yaml --bugdet 3": "error: no such option '--bugdet'",
    "run b.yaml --bugdet 3": "\nhint: did you mean '--budget'?",
    "run a.yaml --xyz": "\nhint: see `rivya-flows run --help`\n",
    "runs --status complete": "\nhint: did you mean 'completed'?\n",
    "runs --status x": "\nhint: see `rivya-flows runs --help`\n",
    "init --template prodct-launch": "did you mean 'product-launch'?",
    "models zimage": "did you mean 'z-image'?",
    "graph good": "did you mean 'specs/good.yaml'?",
    # values in plain words
    "runs --limit ten": "error: --limit: 'ten' is not a whole number\n",
    "runs --limit 0": "error: --limit: 0 is not from 1 to 100000\n",
    "run a.yaml --budget -1": "error: --budget: -1 is less than 0\n",
    "runs a b": "error: too many arguments: a b\n",
    "run a.yaml --budget": "error: --budget needs a value\n",
    "store prune --older-than week": f"error: --older-than: 'week' {NO_AGE}\n",
    "store prune --older-than 1m": f"'1m' {NO_AGE}",  # it may mean a month, and would delete nearly everything
    "store prune": "--older-than",
    # specs and inputs
    "run": "missing argument 'SPEC'",
    "plan nowhere.yaml": "nowhere.yaml: No such file",
    "plan spec.yaml --inputs nowhere": "nowhere: No such file",
    "plan spec.yaml -i size=3": "unknown input 'size'",
    "plan spec.yaml -i prompt": "'prompt' has no '='",
    "plan spec.yaml --label client": "write NAME=VALUE",
    "run spec.yaml --quote q.json -i prompt=x --budget 0": "--quote cannot be used with SPEC, -i, --budget: the quote says all that is run",
    "run --quote q.json": "q.json: No such file",
    "check spec.yaml --json --format sarif": "exclude each other",
    "check --diff --format=json spec.yaml": "--diff",
    "up nowhere.yaml": "nowhere.yaml: no such file",
    "schema --write nowhere": "No such file or directory",
    "test": "error: specs: there is no test to run",
    # runs, spending, pools, results
    "open run-9": "there is no run 'run-9'",
    "spend --by client,,model": "a name is empty",
    "spend --csv --json": "contradict each other",
    "spend --since 2026-11-02 --until 2026-11-01": "not before --until",
    "spend --since yesterday": "is not a moment",
    "runs --since 999999d": "is not a moment",
    "spend --plot spent.png": "not a name of an SVG picture",
    "runs --label client": "it has no value",
    "budgets set Acme --credits 1": "not a name",
    "budgets set acme": "no pool 'acme' yet",
    "budgets set acme --credits 1 --match client": "it has no value",
    "budgets set acme --credits 1 --match 'a=\x1b[2J'": "label a: its value cannot be used",
    "budgets set acme --credits 1 --period year": "year",
    "budgets remove acme": "error: there is no pool 'acme'\n",
    "cache prune": "nothing selected to prune",
    "cache prune --all --older-than 3": "contradict each other",
    "cache prune --older-than -1": "--older-than: '-1' is not a time",
    "cache prune --older-than nan": f"'nan' {NO_AGE}",
    "verify none.mp4": "error: FILE: File 'none.mp4' does not exist",
    # the service and the sandbox
    "models veo3 --kind chat": "no model of --kind chat has 'veo3' in its id",
    "webhooks endpoints update whend_1": "--enable",
    "webhooks listen --secret env:HOOK_SECRET": "HOOK_SECRET is not set",
    "webhooks listen --secret env:": "env:NAME",
    "sandbox ledger --data nowhere": "nowhere: no sandbox data here",
    "sandbox keys create --scopes everything": "no scope 'everything'",
    "sandbox keys revoke key_1 --data nowhere": "nowhere: no sandbox",
    "sandbox keys create --expires-in nan": "nan is not a finite number",
    "sandbox keys create --scopes ,": "--scopes names none",
    "sandbox keys create --account ' '": "an account needs a name",
    "sandbox serve --public-url here": "--public-url: 'here' is not an address",
    "sandbox serve --time-scale inf": "inf is not a finite number",
    "sandbox faults list --data nowhere": "nowhere: no sandbox",
    "sandbox faults clear --data nowhere": "nowhere: no sandbox",
    "sandbox faults set nowhere.yaml": "nowhere.yaml: cannot be read",
    "sandbox credits add 0": "N: 0 is less than 1",
}


@pytest.mark.parametrize("typed", WORDS)
def test_a_wrong_call_says_what_is_wrong_or_was_meant(call: Terminal, typed: str) -> None:
    specs = Path(__file__).parents[2] / "specs"
    shutil.copy(specs / "first-picture.yaml", "spec.yaml")
    Path("specs").mkdir()
    Path("specs/good.yaml").write_text(Path("spec.yaml").read_text())
    said = call(*shlex.split(typed))
    assert said.code == 2
    assert WORDS[typed] in said.out + said.err
