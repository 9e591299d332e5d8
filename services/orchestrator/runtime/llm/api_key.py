"""A provider's key, by reference: read when it is needed, anew when it changed."""

import os
from pathlib import Path

from libs.crewspec.compiled import ModelDocument
from services.orchestrator.errors import LLMUnauthorizedError

__all__ = ["ApiKey"]


class ApiKey:
    """The key a model document refers to, by file or by environment variable."""

    def __init__(self, document: ModelDocument) -> None:
        self._model = document.name
        self._variable = document.api_key_env
        self._path = Path(document.api_key_file) if document.api_key_file else None
        self._version: tuple[int, int, int] | None = None
        self._from_file = ""

    def headers(self) -> dict[str, str]:
        """The header that carries the key; none when no key is referred to.

        Raises:
            LLMUnauthorizedError: The key that is referred to is not there.

        """
        if self._path is None and self._variable is None:
            return {}
        key = self._read_file(self._path) if self._path else self._read_variable()
        if not key or not key.isascii() or not key.isprintable():
            raise LLMUnauthorizedError(f"model {self._model!r} has no usable key")
        return {"Authorization": f"Bearer {key}"}

    def _read_variable(self) -> str:
        return os.environ.get(self._variable or "", "").strip()

    def _read_file(self, path: Path) -> str:
        try:
            status = path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version != self._version:
                self._from_file = path.read_text(encoding="utf-8").strip()
                self._version = version
        except (OSError, UnicodeDecodeError) as error:
            raise LLMUnauthorizedError(
                f"the key file of model {self._model!r} cannot be read"
            ) from error
        return self._from_file
