"""What the fields of all documents are made of."""

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel

__all__ = [
    "READ_TEXT",
    "Count",
    "Identifier",
    "Line",
    "Name",
    "Prompt",
    "Reference",
    "Schema",
    "Seconds",
]

READ_TEXT: Final = "read_text"
"""The key of the validation context that holds the reader of prompt files."""


def _inlined(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, dict):
        return value.strip() if isinstance(value, str) else value
    file = value.get("file")
    if set(value) != {"file"} or not isinstance(file, str):
        raise ValueError("write the text in place or as {file: <path>}")
    read_text: Callable[[str], str] | None = (info.context or {}).get(READ_TEXT)
    if read_text is None:
        raise ValueError("no files can be read here: write the text in place")
    return read_text(file).strip()


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=52)]
Reference = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=116,
    ),
]
"""The name of a document in the same namespace, or `namespace/name`."""
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=52)]
Line = Annotated[str, Field(pattern=r"^\S([^\r\n]*\S)?$", max_length=200)]
Prompt = Annotated[
    str,
    BeforeValidator(_inlined),
    Field(
        min_length=1,
        max_length=32_000,
        # Who reads it elsewhere does not take the white space around it away first.
        json_schema_extra={"pattern": r"\S"},
    ),
]
Seconds = Annotated[int, Field(strict=True, ge=1, le=3_600)]
Count = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]


class Schema(BaseModel):
    """camelCase outside, nothing unknown, nothing that changes."""

    model_config = ConfigDict(  # type: ignore[pydantic-alias] # only ever parsed
        alias_generator=to_camel, extra="forbid", frozen=True
    )
