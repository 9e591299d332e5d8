"""The crews of a test stack: the product's own, with another default model."""

import shutil
from pathlib import Path

__all__ = ["MODEL", "write_configs"]

MODEL = "test-model"
_CONFIGS = Path(__file__).parents[2] / "configs"
_SIMULATED = """\
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata:
  name: {name}
spec:
  provider: Simulated
  model: coach
  tokensPerSecond: {tokens_per_second}
"""
_OPENAI_COMPATIBLE = """\
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata:
  name: {name}
spec:
  provider: OpenAICompatible
  model: small
  endpoint: {endpoint}
  firstTokenTimeoutSeconds: {patience_seconds}
  idleTimeoutSeconds: {patience_seconds}
  maxRetries: 1
"""


def write_configs(
    directory: Path,
    *,
    model_url: str | None,
    tokens_per_second: int | None,
    patience_seconds: int,
) -> None:
    """Copy the product's crews and add the model document `MODEL`.

    It is the simulated coach at a pace, or the server at `model_url`, which is
    given `patience_seconds` for every token.
    """
    shutil.copytree(_CONFIGS, directory, dirs_exist_ok=True)
    document = (
        _SIMULATED.format(name=MODEL, tokens_per_second=tokens_per_second or 100)
        if model_url is None
        else _OPENAI_COMPATIBLE.format(
            name=MODEL, endpoint=model_url, patience_seconds=patience_seconds
        )
    )
    (directory / "test-model.yaml").write_text(document, "utf-8")
