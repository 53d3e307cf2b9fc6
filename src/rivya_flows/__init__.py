"""Run media campaigns on the Rivya API from one YAML file.

    import rivya_flows as rf

    plan = rf.plan("spot.yaml", inputs={"product": "Comet kettle"})
    receipt = rf.run("spot.yaml", inputs={"product": "Comet kettle"}, budget=40)

The names of `__all__` are the public API; every module below this one is internal and may change.
They are imported when they are used, so that ``import rivya_flows`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rivya_flows.assets import Asset as Asset
    from rivya_flows.diagnostics import Diagnostic as Diagnostic
    from rivya_flows.errors import (
        APIConnectionError as APIConnectionError,
        APIError as APIError,
        APIStatusError as APIStatusError,
        AuthenticationError as AuthenticationError,
        BadRequestError as BadRequestError,
        BudgetError as BudgetError,
        ConflictError as ConflictError,
        InsufficientCreditsError as InsufficientCreditsError,
        InternalServerError as InternalServerError,
        LeaseLostError as LeaseLostError,
        MediaError as MediaError,
        NotFoundError as NotFoundError,
        PermissionDeniedError as PermissionDeniedError,
        RateLimitError as RateLimitError,
        RivyaError as RivyaError,
        SpecError as SpecError,
        StoreError as StoreError,
        UsageError as UsageError,
    )
    from rivya_flows.flows.compiler import RunEndedError as RunEndedError
    from rivya_flows.flows.credentials import RivyaCredentials as RivyaCredentials
    from rivya_flows.language.workflow import Workflow as Workflow
    from rivya_flows.python_api import (
        afork as afork,
        aoutputs_of as aoutputs_of,
        aplan as aplan,
        aresume as aresume,
        arun as arun,
        campaign as campaign,
        check as check,
        fork as fork,
        load as load,
        none_of_these as none_of_these,
        outputs_of as outputs_of,
        plan as plan,
        resume as resume,
        run as run,
    )
    from rivya_flows.runs.results import Plan as Plan, PlanItem as PlanItem, Receipt as Receipt
    from rivya_flows.steps.function import LocalAsset as LocalAsset
    from rivya_flows.version import __version__ as __version__

_NAMES = {
    "assets": "Asset",
    "diagnostics": "Diagnostic",
    "errors": (
        "APIConnectionError APIError APIStatusError AuthenticationError BadRequestError "
        "BudgetError ConflictError InsufficientCreditsError InternalServerError "
        "LeaseLostError MediaError NotFoundError PermissionDeniedError RateLimitError "
        "RivyaError SpecError StoreError UsageError"
    ),
    "flows.compiler": "RunEndedError",
    "flows.credentials": "RivyaCredentials",
    "language.workflow": "Workflow",
    "python_api": (
        "afork aoutputs_of aplan aresume arun campaign check fork load none_of_these "
        "outputs_of plan resume run"
    ),
    "runs.results": "Plan PlanItem Receipt",
    "steps.function": "LocalAsset",
    "version": "__version__",
}
"""The public names by the module that defines them."""

_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """A public name, imported when it is used first.

    Raises:
        AttributeError: It is not public, and no module that was imported.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
