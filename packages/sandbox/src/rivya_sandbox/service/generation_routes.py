"""The generation routes: create a job, read it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from rivya_sandbox.service import bodies, files, generations, idempotency, validation
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.service import Service, claim, first

_CREATE_ROUTE = "POST /api/v1/generations"


class GenerationRoutes:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._database = service.database

    async def create(self, request: Request) -> Response:
        """Create a job."""
        service = self._service
        key = service.admit(request, "generations:create")
        body = await bodies.read_json(request)
        claimed = claim(request, key, _CREATE_ROUTE, body)
        now = service.now()

        def create() -> idempotency.Stored:
            asked = validation.generation(service.catalogue, body)
            uploads = files.find_references(
                self._database,
                key.account_id,
                asked.references,
                limits=asked.model.limits,
                base_url=service.links.base_url,
                secret=service.links.secret,
            )
            with self._database.transaction() as transaction:
                stored = service.find(transaction, claimed, now)
                if stored is not None:
                    return stored
                task_id, answer = generations.create(
                    transaction,
                    asked,
                    account_id=key.account_id,
                    file_ids=[upload.id for upload in uploads],
                    claim=claimed,
                    profile=service.options.profile,
                    time_scale=service.options.time_scale,
                    now=now,
                )
            service.worker.take(task_id)
            return answer

        return first(service.charge(request, claimed, create))

    async def read(self, request: Request) -> Response:
        """Read a job."""
        key = self._service.admit(request, "generations:read")
        task_id = request.path_params["taskId"]
        found = generations.get(self._database, key.account_id, task_id, self._service.links.result)
        if found is None:
            raise Refusal("not_found", "No such generation.")
        return self._service.answer(found)
