"""The base of every wire model and the types they share."""

import unicodedata
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

__all__ = [
    "Identifier",
    "MessageText",
    "RequestId",
    "Title",
    "ViewModel",
    "WireModel",
    "refuse_control_text",
]

MAX_TEXT = 8_000
MAX_TITLE = 120
_ALLOWED_CONTROLS = frozenset("\n\t")


class WireModel(BaseModel):
    """Input: unknown fields are refused, values are never changed in place."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ViewModel(BaseModel):
    """Output: every field is always present, so a client needs no defaults."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
    )


def refuse_control_text(text: str) -> str:
    """Pass text on; ValueError for control characters and lone surrogates."""
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            message = "a lone surrogate is not text"
            raise ValueError(message)
        if category == "Cc" and character not in _ALLOWED_CONTROLS:
            message = f"the control character U+{ord(character):04X} is not allowed"
            raise ValueError(message)
    return text


MessageText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT),
    AfterValidator(refuse_control_text),
]
"""1 to 8,000 code points after trimming; no control text but newline and tab."""

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE),
    AfterValidator(refuse_control_text),
]
"""1 to 120 code points after trimming."""

RequestId = UUID
"""Made by the client; the same id with the same body gives the first result."""

Identifier = Annotated[str, Field(min_length=1, max_length=64)]
"""An id made by this product: a UUID in lower case."""
