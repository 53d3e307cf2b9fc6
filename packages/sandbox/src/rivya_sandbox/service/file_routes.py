"""The file routes, and the media files, which anyone with the URL may read."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from rivya_sandbox.service import bodies, files, generations, validation
from rivya_sandbox.service.errors import Refusal, invalid
from rivya_sandbox.service.identifiers import secret_name
from rivya_sandbox.service.inspection import inspect
from rivya_sandbox.service.service import Service

_FIELDS = {"kind", "model", "client_request_id"}
_MEDIA_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}


class FileRoutes:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._database = service.database

    async def upload(self, request: Request) -> Response:
        """Store a file."""
        key = self._service.admit(request, "files:create")
        form = await bodies.read_form(request, files.largest(self._service.catalogue))
        try:
            stored = await self._store(key.account_id, bodies.upload(form))
        finally:
            await form.close()
        return self._public(stored, self._service.options.profile.upload_status)

    async def read(self, request: Request) -> Response:
        """Describe a file."""
        key = self._service.admit(request, "files:read")
        file = files.get(self._database, key.account_id, request.path_params["fileId"])
        if file is None:
            raise Refusal("not_found", "No such file.")
        return self._public(file)

    async def serve_result(self, request: Request) -> Response:
        """The bytes of a result."""
        name = request.path_params["name"]
        row = self._database.row("SELECT * FROM results WHERE stored_as = ?", name)
        if row is None or not self._service.links.is_good(name, request.query_params):
            raise Refusal("not_found", "No such file, or its URL has expired.")
        return self._media(generations.FOLDER, row["stored_as"], row["mime_type"])

    async def serve_upload(self, request: Request) -> Response:
        """The bytes of an upload."""
        file = files.find_stored(self._database, request.path_params["name"])
        if file is None:
            raise Refusal("not_found", "No such file.")
        return self._media(files.FOLDER, file.stored_as, file.mime_type)

    async def _store(self, account_id: str, upload: bodies.MultipartUpload) -> files.StoredFile:
        validation.no_others(upload.fields, _FIELDS, "the form")
        kind, model = upload.fields.get("kind"), upload.fields.get("model") or None
        limit = files.limit(self._service.catalogue, kind, model)
        if kind is None:
            raise invalid("'kind' is required.")
        mime_type = files.check(limit, kind, upload.size_bytes, upload.mime_type)
        client_request_id = validation.request_id(upload.fields.get("client_request_id"))
        duration = await run_in_threadpool(inspect, upload.file.file, kind, mime_type)
        stored_as = secret_name() + files.EXTENSIONS[mime_type]
        path = self._service.options.data / files.FOLDER / stored_as
        await upload.save(path)
        file = files.StoredFile(
            id=files.new_file_id(),
            account_id=account_id,
            kind=kind,
            name=files.tidy_name(upload.name),
            mime_type=mime_type,
            size_bytes=upload.size_bytes,
            stored_as=stored_as,
            duration_seconds=duration,
            model=model,
            client_request_id=client_request_id,
            created_at=self._service.now(),
        )
        with self._database.transaction() as transaction:
            files.add(transaction, file)
        return file

    def _public(self, file: files.StoredFile, status: int = 200) -> Response:
        links = self._service.links
        return self._service.answer(files.public(file, links.base_url, links.secret), status)

    def _media(self, folder: str, name: str, mime_type: str) -> Response:
        path = self._service.options.data / folder / name
        if not path.is_file():
            raise Refusal("not_found", "The file is gone from the data folder.")
        return FileResponse(path, media_type=mime_type, headers=_MEDIA_HEADERS)
