from rivya_flows.api import (
    afork as afork,
    aoutputs_of as aoutputs_of,
    aplan as aplan,
    aresume as aresume,
    arun as arun,
    campaign as campaign,
    changes as changes,
    check as check,
    fork as fork,
    load as load,
    none_of_these as none_of_these,
    outputs_of as outputs_of,
    plan as plan,
    resume as resume,
    run as run,
)
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
from rivya_flows.runs.results import Plan as Plan, PlanItem as PlanItem, Receipt as Receipt
from rivya_flows.steps.function import LocalAsset as LocalAsset
from rivya_flows.version import __version__ as __version__

__all__: list[str]
