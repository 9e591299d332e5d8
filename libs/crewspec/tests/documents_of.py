"""A small valid set of documents, and a way to change it."""

from libs.crewspec.loader import DocumentSet, load_texts

__all__ = ["VALID", "changed", "load"]

VALID = """\
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata: {name: simulated}
spec: {provider: Simulated, model: coach}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata: {name: hosted}
spec:
  provider: OpenAICompatible
  model: small
  endpoint: https://llm.example/v1
  credentialRef: {env: LLM_API_KEY}
  environment: {model: LLM_MODEL, endpoint: LLM_BASE_URL}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Tool
metadata: {name: lookup}
spec: {builtin: look_up, title: Looking it up, description: Looks things up}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: GuardrailPolicy
metadata: {name: strict}
spec: {maxToolCalls: 2}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Agent
metadata: {name: coach}
spec:
  role: A coach
  goal: Help
  backstory: Experienced
  package: coaching
  toolRefs: [lookup]
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Crew
metadata: {name: coaching}
spec:
  description: Answers
  triggers: [Message]
  guardrailRefs: [strict]
  tasks:
    - name: think
      title: Thinking
      description: "Think about {message}"
      expectedOutput: Notes
      agent: coach
      output: Internal
    - name: reply
      title: Writing
      description: "Answer, knowing {summary}"
      expectedOutput: A reply
      agent: coach
      context: [think]
      suggestions: true
"""


def changed(old: str, new: str) -> str:
    """Return the valid documents with one text replaced by another."""
    if VALID.count(old) != 1:
        raise ValueError(f"{old!r} is there {VALID.count(old)} times")
    return VALID.replace(old, new)


def load(text: str) -> DocumentSet:
    """Read documents as if they were in the file `crews.yaml`."""
    return load_texts({"crews.yaml": text})
