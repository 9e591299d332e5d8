"""What the umbrella chart installs is made of crew documents, as they are meant."""

from pathlib import Path

import pytest
import yaml

from libs.toolchain.default_crews import default_crews

_MODELS = """
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata: {name: simulated}
spec: {provider: Simulated, model: coach}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata: {name: openai}
spec:
  provider: OpenAICompatible
  model: some
  endpoint: https://api.openai.com/v1
  credentialRef: {file: /run/key}
"""
_AGENT = """
apiVersion: crew.venturebots.dev/v1alpha1
kind: Agent
metadata: {name: coach}
spec:
  role: A coach
  goal: Help
  backstory: {file: prompts/coach.md}
"""


def _configs(folder: Path) -> Path:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "coach.md").write_text("\nSeen it all.\n\nTwice.\n")
    (folder / "agents.yaml").write_text(_AGENT)
    (folder / "models.yaml").write_text(_MODELS)
    return folder


def test_prompts_are_in_place_and_models_with_keys_are_left_out(
    tmp_path: Path,
) -> None:
    made = default_crews(_configs(tmp_path))
    assert sorted(made) == ["agent-coach.yaml", "modelprovider-simulated.yaml"]
    agent = yaml.safe_load(made["agent-coach.yaml"])
    assert agent["spec"]["backstory"] == "Seen it all.\n\nTwice."
    assert agent["metadata"] == {"name": "coach"}


def test_a_mistake_is_told_and_makes_nothing(tmp_path: Path) -> None:
    configs = _configs(tmp_path)
    (configs / "agents.yaml").write_text(_AGENT.replace("goal: Help", "gaol: Help"))
    with pytest.raises(SystemExit, match=r"agents\.yaml:7: .*gaol: unknown field"):
        default_crews(configs)
