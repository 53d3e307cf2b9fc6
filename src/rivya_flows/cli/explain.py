"""`explain`: the page of a code, as docs/reference/errors.md has it."""

from __future__ import annotations

from rivya_flows.cli import completion, options
from rivya_flows.cli.options import argument, command
from rivya_flows.cli.output import print_json, print_table, show, show_verbatim
from rivya_flows.diagnostics import CODES, ERRORS
from rivya_flows.errors import UsageError
from rivya_flows.similar_names import nearest


@command("explain unknown-model", "explain over_budget")
def explain(
    code: str | None = argument(metavar="[CODE]", shell_complete=completion.codes),
    as_json: bool = options.JSON,
) -> None:
    """Explain the code of a mistake or an error: what it means, an example, the fix.

    Without CODE it lists all.
    """
    known = {**CODES, **ERRORS}
    wanted = list(known) if code is None else [code.strip("[]`")]
    if wanted[0] not in known:
        near = nearest(wanted[0], known)
        hint = f"did you mean {near!r}?" if near else "`rivya-flows explain` lists all codes"
        raise UsageError(f"no code {code!r:.60}", hint)
    if as_json:
        print_json({"codes": [{"code": one, **known[one]._asdict()} for one in wanted]})
    elif code is None:
        print_table(["code", "meaning"], [[one, known[one].means] for one in wanted])
    else:
        page = known[wanted[0]]
        show(wanted[0], bold=True)
        show(page.means)
        if page.example:
            show("", "For example:", "")
            show_verbatim(f"  {line}".rstrip() for line in page.example.splitlines())
        show("", f"Fix: {page.fix or 'The hint of the message says what to do.'}")
