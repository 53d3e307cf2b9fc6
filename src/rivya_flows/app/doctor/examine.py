"""All checks of `doctor`, in the order in which one thing needs another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from rivya_flows.app.doctor import live as of_service, machine, places
from rivya_flows.app.doctor.checks import Check, problem, run_checks, warning
from rivya_flows.environment import variables
from rivya_flows.errors import UsageError
from rivya_flows.setting_names import with_places
from rivya_flows.settings import Settings


def examine(
    settings: Settings,
    *,
    with_key: Callable[[Settings], Awaitable[Settings]],
    prefect_checks: Callable[[Settings], Iterable[Check]],
    live: bool = False,
    wrong: UsageError | None = None,
) -> list[Check]:
    """Check this machine, the places that runs need, and the Prefect server; buys nothing.

    Args:
        with_key: Adds the key of the Prefect block `rivya-api-key`, if there is one.
        wrong: Why `settings` are only some of those that are set: no service is tried with them, and
            Prefect, which would configure itself from the same files, is not imported. None: they are all.
    """
    silent: list[UsageError] = []

    async def ask(settings: Settings) -> Settings:
        """Ask a Prefect server for the key; one that is silent takes 10 s, so it is asked once."""
        if not silent:
            try:
                return await with_key(settings)
            except UsageError as error:
                if not isinstance(error.__cause__, TimeoutError):
                    raise
                silent.append(error)
        raise UsageError("not checked: the Prefect server does not say the key", silent[0].hint)

    def of_prefect() -> Iterable[Check]:
        return [problem("prefect server", str(one), one.hint) for one in silent] or prefect_checks(
            settings
        )

    checks = run_checks("python", machine.python)
    checks += run_checks("extras", lambda: machine.extras(settings))
    named = run_checks("settings", lambda: machine.environment(variables()))
    if wrong is None:
        checks += named + run_checks("set", machine.places_of_settings)
    else:
        first = problem("settings", with_places(str(wrong), wrong.hint), wrong.hint)
        others = (one for one in named if one.status != "ok" and one.message != first.message)
        checks += [first, *others]
    checks += run_checks("data folder", lambda: machine.data_folder(settings))
    checks += run_checks("privacy", lambda: machine.privacy(settings))
    checks += run_checks("specs", lambda: machine.specs(settings))
    checks += run_checks("signing", lambda: machine.signing(settings))
    checks += run_checks("store", lambda: places.store(settings))
    checks += run_checks("assets", lambda: places.assets(settings))
    if wrong is not None:
        checks += run_checks("up", lambda: machine.left_running(settings, compares=False))
        words = "not tried, nor what needs it: the settings are wrong"
        return [*checks, warning("service", words, "correct them")]
    checks += run_checks("service", lambda: places.service(settings, ask))
    serves = not any(one.name == "service" and one.status == "problem" for one in checks)
    if live and serves:
        checks += run_checks("live", lambda: of_service.contract(settings, ask))
    if serves:  # else these would say the same again, each after a wait
        checks += run_checks("clock", lambda: machine.clock(settings))
    checks += run_checks("public url", lambda: places.public_url(settings))
    if serves:
        checks += run_checks("webhooks", lambda: places.webhooks(settings, ask))
    checks += run_checks("up", lambda: machine.left_running(settings))
    checks += run_checks("prefect server", of_prefect)
    return checks
