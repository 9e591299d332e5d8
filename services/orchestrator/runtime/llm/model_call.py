"""The clock of one model call."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from libs.crewspec.compiled import ModelDocument
from libs.errors import VentureBotsError
from services.orchestrator.model_calls import ModelCalled, model_observer
from services.orchestrator.runtime.scope import current_step

__all__ = ["ModelCall", "measured"]


class ModelCall:
    """What a call came to; the adapter puts it here."""

    def __init__(self) -> None:
        self.output = ""
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.finish_reason = ""


@contextmanager
def measured(
    document: ModelDocument, messages: Sequence[dict[str, Any]]
) -> Iterator[ModelCall]:
    """Tell whoever observes the run how the call inside the block ended."""
    observe = model_observer.get()
    step = current_step.get()
    call, error_code = ModelCall(), ""
    began_ns, began = time.time_ns(), time.monotonic()
    if step is not None:
        step.begin_model_call()
    try:
        yield call
    except BaseException as error:
        error_code = _code_of(error)
        raise
    finally:
        if observe is not None:
            first = None if step is None else step.first_text_at
            observe(
                ModelCalled(
                    model=document.name,
                    provider=document.provider.value,
                    request_model=document.model,
                    step_id="" if step is None else step.step_id,
                    began_ns=began_ns,
                    duration_seconds=time.monotonic() - began,
                    first_text_seconds=None if first is None else first - began,
                    prompt_tokens=call.prompt_tokens,
                    completion_tokens=call.completion_tokens,
                    finish_reason=call.finish_reason,
                    error_code=error_code,
                    messages=messages,
                    output=call.output,
                )
            )


def _code_of(error: BaseException) -> str:
    match error:
        case asyncio.CancelledError():
            return "cancelled"
        case VentureBotsError():
            return error.code
        case _:
            return "unexpected"
