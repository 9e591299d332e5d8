"""Crew documents for tests: two small crews and a quick simulated model."""

from pathlib import Path

from libs.crewspec.compiler import CompiledSet, compile_set
from libs.crewspec.loader import load_texts

__all__ = ["DOCUMENTS", "compiled", "write_documents"]

DOCUMENTS = """\
apiVersion: crew.venturebots.dev/v1alpha1
kind: ModelProvider
metadata: {name: simulated}
spec: {provider: Simulated, model: coach, tokensPerSecond: 2000}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: GuardrailPolicy
metadata: {name: strict}
spec: {runTimeoutSeconds: 30}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Tool
metadata: {name: explain-framework}
spec: {builtin: explain_framework, title: Looking it up, description: Explain one}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Agent
metadata: {name: coach}
spec:
  role: A coach
  goal: Help one founder
  backstory: You have helped many.
  package: coaching_assistant
  toolRefs: [explain-framework]
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Crew
metadata: {name: coaching}
spec:
  description: Answers
  triggers: [Message]
  guardrailRefs: [strict]
  tasks:
    - name: reply
      title: Thinking
      description: Answer the founder.
      expectedOutput: A reply
      agent: coach
      suggestions: true
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Crew
metadata: {name: welcome}
spec:
  description: Opens
  triggers: [Opening]
  tasks:
    - {name: welcome, title: Hello, description: Say hello, expectedOutput: A welcome,
       agent: coach, suggestions: true}
---
apiVersion: crew.venturebots.dev/v1alpha1
kind: Crew
metadata: {name: thorough}
spec:
  description: Thinks, then answers
  tasks:
    - {name: think, title: Thinking, description: Note what matters,
       expectedOutput: Notes, agent: coach, output: Internal}
    - {name: reply, title: Writing, description: Answer the founder,
       expectedOutput: A reply, agent: coach, context: [think]}
"""


def compiled(*, tokens_per_second: int = 2000) -> CompiledSet:
    """Compile the documents, with the model at another pace."""
    pace = f"tokensPerSecond: {tokens_per_second}"
    text = DOCUMENTS.replace("tokensPerSecond: 2000", pace)
    return compile_set(
        load_texts({"crews.yaml": text}), default_model="simulated", environment={}
    )


def write_documents(directory: Path, text: str = DOCUMENTS) -> Path:
    """Write the documents as one file and return its path."""
    file = directory / "crews.yaml"
    file.write_text(text, "utf-8")
    return file
