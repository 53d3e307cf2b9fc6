"""Measures `check` against parsing the same YAML: ``python benchmarks/check.py``.

Prints a table of specs with 10 to 10,000 steps. Each time is the minimum processor time of
several calls without garbage collection, as in `timeit`; the ratio is to PyYAML's C loader on the same
text in the same run, so it depends little on the machine.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial

import yaml

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.expressions import resolve
from rivya_flows.spec.load import check

STEPS = (10, 100, 1_000, 10_000)
_SECONDS = 3.0
"""Time for each measurement, with at least three runs."""


def spec_of(steps: int) -> str:
    """A spec with so many steps: chains of a still, its film, and a cut."""
    lines = [
        "version: 1",
        "name: many",
        "inputs: {product: {type: string, default: lamp}}",
        "defaults: {generate: {with: {model: z-image}}}",
        "steps:",
    ]
    for n in range(steps):
        match n % 3:
            case 0:
                prompt = f'"{n} ${{{{ inputs.product }}}}"'
                lines.append(f" s{n}: {{uses: generate, with: {{prompt: {prompt}}}}}")
            case 1:
                asset = f'["${{{{ steps.s{n - 1}.asset }}}}"]'
                arguments = f"{{model: veo3-1-lite, prompt: go, references: {asset}}}"
                lines.append(f" s{n}: {{uses: generate, with: {arguments}}}")
            case _:
                asset = f'"${{{{ steps.s{n - 1}.asset }}}}"'
                lines.append(f" s{n}: {{uses: compose, with: {{clips: {asset}}}}}")
    return "\n".join(lines) + "\n"


def checked(text: str) -> int:
    """Number of problems of a spec, without caches."""
    resolve.template.cache_clear()
    return len(check(text, file="many.yaml", catalogue=shipped())[1])


def least(call: Callable[[], object]) -> float:
    """The minimum time of a call in seconds."""
    times: list[float] = []
    gc.collect()
    gc.disable()
    while len(times) < 3 or (sum(times) < _SECONDS and len(times) < 50):
        begun = time.process_time()
        call()
        times.append(time.process_time() - begun)
    gc.enable()
    return min(times)


def main() -> None:
    """Print the table."""
    print("| steps | size | PyYAML, C loader | check | for each step | ratio | check, all wrong |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for steps in STEPS:
        right = spec_of(steps)
        wrong = right.replace("${{ steps.s", "${{ steps.no")
        if checked(right) or not checked(wrong):
            raise SystemExit("the specs of the benchmark are not what they should be")
        parsing = least(partial(yaml.load, right, yaml.CSafeLoader))
        checking, telling = least(partial(checked, right)), least(partial(checked, wrong))
        print(
            f"| {steps:,} | {len(right) / 1024:,.1f} KiB | {parsing * 1e3:,.1f} ms "
            f"| {checking * 1e3:,.1f} ms | {checking / steps * 1e6:,.0f} µs "
            f"| {checking / parsing:.1f} | {telling * 1e3:,.1f} ms |"
        )


if __name__ == "__main__":
    main()
