"""Find specs and compile the flow of each, for `rivya_flows.flows.campaigns`."""

from __future__ import annotations

import functools
import re
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from prefect import get_client
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import RivyaError, StoreError
from rivya_flows.flows.compiler import CampaignFlow, compile_flow, failing_flow
from rivya_flows.flows.current_run import run_id_of
from rivya_flows.flows.execution.execute import run_deployment
from rivya_flows.flows.execution.run_events import announce_failure
from rivya_flows.language.workflow import Workflow
from rivya_flows.preparation import spec_file
from rivya_flows.preparation.deploy_blocks import attribute_of
from rivya_flows.queue.events import RunFrozen
from rivya_flows.queue.reducer import initial_state
from rivya_flows.settings import Settings, read_settings
from rivya_flows.similar_names import nearest
from rivya_flows.store.deployments import DeployedSpec, deployed_spec, version_of
from rivya_flows.store.journal import Journal
from rivya_flows.store.shared_store_checks import mask_password

_FILE = "file_2F_"
"""Begins an attribute that names a file by its path: no spec has a capital letter in its name."""


def spec_folders() -> tuple[Path, ...]:
    """The folder of ``RIVYA_FLOWS_SPECS``, ``specs`` here (not of a worker), and ``specs`` of a checkout; the first wins."""
    beside = Path(__file__).resolve().parent.parent / "specs"
    return tuple(dict.fromkeys([*_named_folder(), Path.cwd() / "specs", beside]))


def _named_folder() -> list[Path]:
    named = read_settings().rivya_flows_specs
    return [] if named is None else [named.expanduser().absolute()]


def spec_files() -> dict[str, Path]:
    """The file of each attribute, sorted by attribute."""
    found: dict[str, Path] = {}
    for folder in spec_folders():
        for path in spec_file.specs_at(folder) if folder.is_dir() else ():
            found.setdefault(attribute_of(path.stem), path)
    return dict(sorted(found.items()))


def flow_of(attribute: str) -> CampaignFlow:
    """The flow of the spec with that attribute, for the flow run of this process if it executes one."""
    if not flow_run.id:
        return _flow_on_disk(attribute)
    return flow_for_run(attribute, flow_run.id, read_settings())


def flow_for_run(attribute: str, flow_run_id: str, settings: Settings) -> CampaignFlow:
    """The flow of the run's own journal, else of the deployed spec, else of the file here; else one that fails."""
    try:
        with closing(Journal(settings.store_url)) as journal:
            run_id = run_id_of(flow_run_id)
            if journal.run(run_id) is not None:  # with the form and the steps of its beginning
                frozen = journal.entries(run_id)[0].event
                assert isinstance(frozen, RunFrozen)  # a journal begins with it
                workflow = initial_state(frozen).plan.workflow
                spec = spec_file.SpecFile(frozen.spec_text, f"{workflow.name}.yaml", None)
                return _compile(attribute, workflow, spec)
            if settings.rivya_flows_spec is not None:
                return _deployed_flow(attribute, settings.rivya_flows_spec, journal, settings)
        return _flow_on_disk(attribute)
    except (AttributeError, RivyaError) as error:
        return failing_flow(attribute, error, announce_failure, _parameters(flow_run_id))


def _parameters(flow_run_id: str) -> tuple[str, ...]:
    """The names of what a flow run is called with; none for one that was deleted."""
    if get_current_settings().api.url is None:
        return ()
    with suppress(ObjectNotFound), get_client(sync_client=True) as client:
        return tuple(client.read_flow_run(UUID(flow_run_id)).parameters)
    return ()


def flow_of_file(path: Path) -> CampaignFlow:
    """The flow of a spec by its absolute path, which is in its attribute, so that processes of its deployments find it."""
    encoded = re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match[0]):X}_", str(path))
    spec = spec_file.read_spec(path)
    return _compile(f"file{encoded}", spec_file.load_spec(spec, shipped()), spec)


def _flow_on_disk(attribute: str) -> CampaignFlow:
    if attribute.startswith(_FILE):
        encoded = attribute.removeprefix("file")
        decoded = re.sub(r"_([0-9A-F]+)_", lambda match: chr(int(match[1], 16)), encoded)
        return flow_of_file(Path(decoded))
    files = spec_files()
    if attribute not in files:
        folders = ", ".join(map(str, spec_folders()))
        close = nearest(attribute, files)
        advice = f"did you mean {close!r}?" if close else "set RIVYA_FLOWS_SPECS to its folder"
        raise AttributeError(f"no spec for {attribute!r} in {folders}; {advice}")
    path = files[attribute]
    spec = spec_file.SpecFile(path.read_text(encoding="utf-8"), str(path), path.parent)
    workflow = spec_file.load_spec(spec, shipped())
    name = workflow.name
    if attribute_of(name) != attribute:
        # Deployments are named after the spec, and are looked up here by file.
        raise AttributeError(f"{path}: its name is {name!r}; call the file {name}.yaml")
    return _compile(attribute, workflow, replace(spec, name=f"{name}.yaml"))


def _deployed_flow(
    attribute: str, spec_hash: str, journal: Journal, settings: Settings
) -> CampaignFlow:
    """The flow of the spec that the deployment names by its hash."""
    spec = deployed_spec(journal.engine, spec_hash)
    if spec is None:
        raise StoreError(
            f"the deployed spec {version_of(spec_hash)} is not in the store of "
            f"this worker, {mask_password(settings.store_url)}",
            "give the worker the RIVYA_FLOWS_STORE that `rivya-flows deploy` wrote to, "
            "or deploy it again",
        )
    if attribute_of(spec.name) != attribute:
        raise AttributeError(f"expected {attribute!r}, but the deployed spec is {spec.name!r}")
    read = spec_file.deployed_file(spec)
    workflow, edits = spec_file.load_spec(read, shipped()), _edits(attribute, spec)
    return _compile(attribute, workflow, read, version=spec.version, notes=edits)


def _edits(attribute: str, spec: DeployedSpec) -> tuple[str, ...]:
    """Warns of a file on this machine that was edited after it was deployed."""
    # Elsewhere lie other specs of that name, such as the examples of this package.
    path = spec_files().get(attribute)
    if path is None or path.parent not in _named_folder():
        return ()
    with suppress(OSError, UnicodeDecodeError):
        read = {"": path.read_text(encoding="utf-8")} | {
            one: (path.parent / one).read_text(encoding="utf-8") for one in spec.includes
        }
        if read == {"": spec.text, **spec.includes}:
            return ()
    return (
        f"{path} was edited after it was deployed; this run executes the deployed spec, "
        f"{spec.version}; `rivya-flows deploy` deploys the edit",
    )


def _compile(
    attribute: str,
    workflow: Workflow,
    spec: spec_file.SpecFile,
    *,
    version: str | None = None,
    notes: tuple[str, ...] = (),
) -> CampaignFlow:
    return compile_flow(
        workflow,
        spec_text=spec.text,
        attribute=attribute,
        version=version,
        execute=functools.partial(run_deployment, workflow, spec, notes),
        announce=announce_failure,
    )
