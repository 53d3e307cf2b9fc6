"""The work that is measured: a spec for rivya-flows, and the same purchases for its peers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PICTURE, EDIT, FILM = "z-image", "nano-banana", "veo3-1-lite"
JOB_SECONDS = 2.0
"""Of a picture. Other media take in proportion: a film 11.7 s, a narration 1.7 s."""

TIME_SCALE = JOB_SECONDS / 7
"""Of the sandbox, whose pictures take 7 s."""


@dataclass(frozen=True)
class Scenario:
    """One piece of work.

    Attributes:
        name: On the command line.
        title: In tables.
        jobs: Generations that the service makes.
        limit: Jobs in flight at once.
        floor: Seconds that no client can go below: the jobs of the longest chain, or all waves.
        repetitions: Usual number for each contender.
        spec: YAML for rivya-flows.
        purchases: The same for the peers, as JSON of `peers.work.Purchase`.
    """

    name: str
    title: str
    jobs: int
    limit: int
    floor: float
    repetitions: int
    spec: str
    purchases: Sequence[Mapping[str, Any]]

    def work(self) -> str:
        """The JSON that the peers read."""
        return json.dumps({"limit": self.limit, "purchases": list(self.purchases)})


def fan_out(jobs: int, limit: int, repetitions: int) -> Scenario:
    """Pictures that depend on nothing."""
    step = {
        "uses": "generate",
        "matrix": {"n": list(range(jobs))},
        "max_parallel": limit,
        "with": {"model": PICTURE, "prompt": "Picture ${{ matrix.n }}"},
    }
    told = f"{jobs:,} pictures" if jobs > 1 else "one picture"
    return Scenario(
        name=f"fan-out-{jobs}",
        title=told if limit >= jobs else f"{told}, {limit} in flight",
        jobs=jobs,
        limit=limit,
        floor=JOB_SECONDS * -(-jobs // limit),
        repetitions=repetitions,
        spec=_spec("fan-out", {"stills": step}),
        purchases=[_bought(f"still-{n}", PICTURE, f"Picture {n}") for n in range(jobs)],
    )


def chain(links: int) -> Scenario:
    """Pictures, each made from the one before."""
    steps: dict[str, Any] = {
        "s0": {"uses": "generate", "with": {"model": PICTURE, "prompt": "Picture 0"}}
    }
    purchases = [_bought("s0", PICTURE, "Picture 0")]
    for n in range(1, links):
        before = f"s{n - 1}"
        references = [f"${{{{ steps.{before}.asset }}}}"]
        arguments = {"model": EDIT, "prompt": f"Picture {n}", "references": references}
        steps[f"s{n}"] = {"uses": "generate", "with": arguments}
        purchases.append(_bought(f"s{n}", EDIT, f"Picture {n}", before))
    return Scenario(
        name=f"chain-{links}",
        title=f"a chain of {links} pictures",
        jobs=links,
        limit=1,
        floor=JOB_SECONDS * links,
        repetitions=3,
        spec=_spec("chain", steps),
        purchases=purchases,
    )


def pipeline(items: int) -> Scenario:
    """A picture, then a film of it, for each item."""
    steps = {
        "stills": {
            "uses": "generate",
            "matrix": {"n": list(range(items))},
            "with": {"model": PICTURE, "prompt": "Picture ${{ matrix.n }}"},
        },
        "films": {
            "uses": "generate",
            "foreach": "${{ steps.stills.items }}",
            "with": {"model": FILM, "prompt": "Push in", "references": ["${{ item.asset }}"]},
        },
    }
    purchases = [_bought(f"still-{n}", PICTURE, f"Picture {n}") for n in range(items)]
    purchases += [_bought(f"film-{n}", FILM, "Push in", f"still-{n}") for n in range(items)]
    return Scenario(
        name=f"pipeline-{items}",
        title=f"{items} pictures, a film of each",
        jobs=2 * items,
        limit=2 * items,
        floor=(7 + 41) * TIME_SCALE,
        repetitions=3,
        spec=_spec("pipeline", steps),
        purchases=purchases,
    )


def campaign() -> Scenario:
    """The purchases of ``specs/product-launch.yaml``, and its film with the narration.

    The peers make everything but that film; what the finished spot costs, `benchmarks.final_cut` says.
    """
    spec = yaml.safe_load((ROOT / "specs" / "product-launch.yaml").read_text(encoding="utf-8"))
    del spec["brand"], spec["deploy"]
    joined = {"clips": "${{ steps.film.asset }}", "audio": "${{ steps.voice.asset }}"}
    spec["steps"]["spot"] = {"uses": "compose", "with": joined}
    chat = {"model": "gemini-2-5-flash-chat", "message": "Describe a lamp, and a line about it"}
    purchases: list[dict[str, Any]] = [{"name": "script", "body": chat, "chat": True}]
    for style in ("studio", "street", "watercolor", "neon"):
        still = _bought(style, PICTURE, f"A lamp, {style} style", params={"aspect_ratio": "9:16"})
        purchases.append({**still, "after": ["script"]})
    film = _bought("film", FILM, "Slow push-in", "studio", params={"aspectRatio": "9:16"})
    purchases.append({**film, "after": ["studio", "street", "watercolor", "neon"]})
    voice = _bought(
        "voice",
        "elevenlabs-turbo-2-5",
        "Warm light, made for you.",
        params={"voice": "TX3LPaxmHKxFdv7VOQHJ"},
    )
    purchases.append({**voice, "after": ["script"]})
    return Scenario(
        name="campaign",
        title="specs/product-launch.yaml",
        jobs=6,
        limit=4,
        floor=(7 + 41) * TIME_SCALE,
        repetitions=3,
        spec=yaml.safe_dump(spec, sort_keys=False, allow_unicode=True),
        purchases=purchases,
    )


def _spec(name: str, steps: Mapping[str, Any]) -> str:
    document = {"version": 1, "name": name, "steps": dict(steps)}
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=120)


def _bought(
    name: str,
    model: str,
    prompt: str,
    reference: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "prompt": prompt}
    if params:
        body["params"] = dict(params)
    return {
        "name": name,
        "body": body,
        "reference": reference,
        "after": [] if reference is None else [reference],
    }


SCENARIOS = {
    one.name: one
    for one in (
        fan_out(1, 1, 5),
        fan_out(10, 10, 5),
        fan_out(100, 100, 3),
        fan_out(300, 100, 3),
        fan_out(1_000, 200, 3),
        fan_out(10_000, 500, 1),
        chain(10),
        pipeline(100),
        campaign(),
    )
}
