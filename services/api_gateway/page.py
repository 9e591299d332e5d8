"""Serves the built page, so that a laptop needs no other web server."""

import mimetypes
import os
from collections.abc import Collection
from http import HTTPStatus
from pathlib import Path
from typing import Final, override

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

__all__ = ["PAGE_POLICY", "PageFiles"]

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; require-trusted-types-for 'script'"
)

_INDEX = "index.html"
_ASSETS = "assets"
_IMMUTABLE = "public, max-age=31536000, immutable"
_NOT_BUILT = (
    "The gateway runs, but the page is not built yet.\n\n"
    "Build it with `make frontend` (or start everything with `make run`),\n"
    "then reload. The API is described at /docs.\n"
)


class PageFiles(StaticFiles):
    """The page's files; every other address is the page's own to route.

    A missing asset and an unknown API path stay 404: a stale script must not
    be answered with a page.
    """

    def __init__(self, directory: Path, *, api_prefixes: Collection[str]) -> None:
        super().__init__(directory=directory, check_dir=False)
        self._root = directory
        self._api_prefixes = frozenset(api_prefixes)

    @override
    async def check_config(self) -> None:
        """Nothing: the page may be built while the gateway runs."""

    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, else the page."""
        top = path.partition("/")[0]
        if top in self._api_prefixes:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND or top == _ASSETS:
                raise
        if not (self._root / _INDEX).is_file():
            return PlainTextResponse(
                _NOT_BUILT, status_code=HTTPStatus.SERVICE_UNAVAILABLE
            )
        return await super().get_response(_INDEX, scope)

    @override
    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """The file, or its compressed twin for those who take it."""
        path = Path(full_path)
        request_headers = Headers(scope=scope)
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        twin = path.with_name(path.name + ".gz")
        headers = {"Cache-Control": self._caching(path)}
        if media_type == "text/html":
            headers["Content-Security-Policy"] = PAGE_POLICY
        if twin.is_file():
            headers["Vary"] = "Accept-Encoding"
            if _takes_gzip(request_headers):
                headers["Content-Encoding"] = "gzip"
                path, stat_result = twin, twin.stat()
        response = FileResponse(
            path,
            status_code=status_code,
            headers=headers,
            media_type=media_type,
            stat_result=stat_result,
        )
        if not self.is_not_modified(response.headers, request_headers):
            return response
        unchanged = NotModifiedResponse(response.headers)
        if media_type == "text/html":
            # Browsers let a 304's policy replace the one of the page they kept.
            unchanged.headers["Content-Security-Policy"] = PAGE_POLICY
        return unchanged

    def _caching(self, path: Path) -> str:
        return _IMMUTABLE if path.parent.name == _ASSETS else "no-cache"


def _takes_gzip(headers: Headers) -> bool:
    for part in headers.get("accept-encoding", "").split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00"}
    return False
