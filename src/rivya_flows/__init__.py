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
    from rivya_flows.app.results import Plan, PlanItem, Receipt
    from rivya_flows.assets import Asset
    from rivya_flows.client.calls import RawResponse
    from rivya_flows.client.client import RivyaClient, SyncRivyaClient
    from rivya_flows.client.options import RequestOptions
    from rivya_flows.client.retries import RetryPolicy
    from rivya_flows.diagnostics import Diagnostic
    from rivya_flows.errors import (
        APIConnectionError,
        APIError,
        APIStatusError,
        AuthenticationError,
        BadRequestError,
        BudgetError,
        ConflictError,
        InsufficientCreditsError,
        InternalServerError,
        LeaseLostError,
        MediaError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        RivyaFlowsError,
        SpecError,
        StoreError,
        UsageError,
    )
    from rivya_flows.flows.compiler import RunEndedError
    from rivya_flows.flows.credentials import RivyaCredentials
    from rivya_flows.language.step_functions import LocalAsset
    from rivya_flows.language.workflow import Workflow
    from rivya_flows.python_api import (
        afork,
        aoutputs_of,
        aplan,
        aresume,
        arun,
        campaign,
        check,
        fork,
        load,
        none_of_these,
        outputs_of,
        plan,
        resume,
        run,
    )
    from rivya_flows.version import __version__

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "Asset",
    "AuthenticationError",
    "BadRequestError",
    "BudgetError",
    "ConflictError",
    "Diagnostic",
    "InsufficientCreditsError",
    "InternalServerError",
    "LeaseLostError",
    "LocalAsset",
    "MediaError",
    "NotFoundError",
    "PermissionDeniedError",
    "Plan",
    "PlanItem",
    "RateLimitError",
    "RawResponse",
    "Receipt",
    "RequestOptions",
    "RetryPolicy",
    "RivyaClient",
    "RivyaCredentials",
    "RivyaFlowsError",
    "RunEndedError",
    "SpecError",
    "StoreError",
    "SyncRivyaClient",
    "UsageError",
    "Workflow",
    "__version__",
    "afork",
    "aoutputs_of",
    "aplan",
    "aresume",
    "arun",
    "campaign",
    "check",
    "fork",
    "load",
    "none_of_these",
    "outputs_of",
    "plan",
    "resume",
    "run",
]

_MODULES = {
    "Plan": "rivya_flows.app.results",
    "PlanItem": "rivya_flows.app.results",
    "Receipt": "rivya_flows.app.results",
    "Asset": "rivya_flows.assets",
    "RivyaClient": "rivya_flows.client.client",
    "SyncRivyaClient": "rivya_flows.client.client",
    "RawResponse": "rivya_flows.client.calls",
    "RequestOptions": "rivya_flows.client.options",
    "RetryPolicy": "rivya_flows.client.retries",
    "Diagnostic": "rivya_flows.diagnostics",
    "RunEndedError": "rivya_flows.flows.compiler",
    "RivyaCredentials": "rivya_flows.flows.credentials",
    "LocalAsset": "rivya_flows.language.step_functions",
    "Workflow": "rivya_flows.language.workflow",
    "__version__": "rivya_flows.version",
}
"""Where names are defined; the other ones with a capital are errors, the rest functions."""


def __getattr__(name: str) -> Any:
    """A public name, imported when it is used first.

    Raises:
        AttributeError: It is not public, and no module that was imported.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    default = "rivya_flows.errors" if name[0].isupper() else "rivya_flows.python_api"
    value = getattr(importlib.import_module(_MODULES.get(name, default)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
