"""Every mistake is told with its file, line and place."""

from pathlib import Path

import pytest

from libs.crewspec.loader import load_directory, load_texts
from libs.crewspec.packages import AgentPackage, read_packages
from libs.crewspec.tests.documents_of import VALID, changed, load
from libs.crewspec.validator import validate

_PACKAGES = {"coaching": AgentPackage(frozenset({"look_up"}))}


def told(text: str) -> list[str]:
    """Validate documents and give what is wrong as text."""
    return [str(diagnostic) for diagnostic in validate(load(text), _PACKAGES)]


def test_valid_documents_have_no_mistakes() -> None:
    assert told(VALID) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("goal: Help", "gaol: Help", "31: $.spec.gaol: unknown field"),
        ("goal: Help", "goal: 3", "31: $.spec.goal: Input should be a valid string"),
        ("  role: A coach\n", "", "29: $.spec.role: is required"),
        (
            "toolRefs: [lookup]",
            "toolRefs: [lookup, other]",
            "34: $.spec.toolRefs[1]: no Tool 'other'",
        ),
        (
            "toolRefs: [lookup]",
            "toolRefs: [lookup, lookup]",
            "34: $.spec.toolRefs[1]: 'lookup' is given twice",
        ),
        (
            "toolRefs: [lookup]",
            "modelRef: gone",
            "34: $.spec.modelRef: no ModelProvider 'gone'",
        ),
        (
            "backstory: Experienced",
            'backstory: "You know {message}"',
            "32: $.spec.backstory: no variables here: {message} belongs in a task",
        ),
        (
            "package: coaching",
            "package: other",
            "33: $.spec.package: no agent package 'other'",
        ),
        (
            "builtin: look_up",
            "builtin: look_down",
            "19: $.spec.builtin: no agent package offers 'look_down'",
        ),
        (
            "guardrailRefs: [strict]",
            "guardrailRefs: [lax]",
            "42: $.spec.guardrailRefs[0]: no GuardrailPolicy 'lax'",
        ),
        (
            "context: [think]",
            "context: [reply]",
            "55: $.spec.tasks[1].context[0]: 'reply' is not an earlier task",
        ),
        (
            "context: [think]",
            "context: [thunk]",
            "55: $.spec.tasks[1].context[0]: no task 'thunk'",
        ),
        (
            "name: reply",
            "name: think",
            "50: $.spec.tasks[1].name: 'think' is given twice",
        ),
        (
            "      output: Internal\n",
            "",
            (
                "44: $.spec.tasks[0].output: only the last task is the Reply;"
                " others are Internal"
            ),
        ),
        (
            "suggestions: true",
            "output: Internal",
            "56: $.spec.tasks[1].output: the last task must be the Reply",
        ),
        (
            "output: Internal",
            "output: Internal\n      suggestions: true",
            "50: $.spec.tasks[0].suggestions: only the Reply offers suggestions",
        ),
        (
            "{summary}",
            "{sumary}",
            (
                "52: $.spec.tasks[1].description: unknown variable {sumary};"
                " known: {message}, {summary}, {trigger}"
            ),
        ),
        (
            "triggers: [Message]",
            "triggers: [Message, Opening]",
            "46: $.spec.tasks[0].description: an opening has no {message}",
        ),
        (
            "endpoint: https://llm.example/v1",
            "endpoint: http://llm.example/v1",
            "12: $.spec.endpoint: a key is only sent over https, or to this host",
        ),
        (
            "endpoint: https://llm.example/v1",
            "endpoint: https://user:secret@llm.example/v1",
            (
                "12: $.spec.endpoint: must be a bare URL: no user, password, query or"
                " fragment"
            ),
        ),
        (
            "{env: LLM_API_KEY}",
            "{env: LLM_API_KEY, file: /key}",
            "13: $.spec.credentialRef: give one of env, file and secret",
        ),
        (
            "{env: LLM_API_KEY}",
            "{env: HOME}",
            (
                "13: $.spec.credentialRef.env: String should match pattern"
                " '^[A-Z][A-Z0-9_]*_(API_KEY|TOKEN)$'"
            ),
        ),
        (
            "model: coach}",
            "model: coach, endpoint: x}",
            "4: $.spec.endpoint: a simulated model has none",
        ),
        (
            "{name: simulated}",
            "{name: default}",
            "3: $.metadata.name: 'default' stands for the model bound at run time",
        ),
        (
            "{maxToolCalls: 2}",
            "{maxToolCalls: yes}",
            "24: $.spec.maxToolCalls: Input should be a valid integer",
        ),
        (
            "role: A coach",
            "role: A coach\n  role: A critic",
            "31: $.spec.role: is given twice",
        ),
        (
            "goal: Help",
            "goal: {file: prompts/goal.md}",
            "31: $.spec.goal: no files can be read here: write the text in place",
        ),
    ],
)
def test_a_mistake_is_told_where_it_is(old: str, new: str, expected: str) -> None:
    assert f"crews.yaml:{expected}" in told(changed(old, new))


def test_a_name_is_defined_once() -> None:
    texts = {"a.yaml": VALID, "b.yaml": VALID.partition("---")[0]}
    (diagnostic,) = load_texts(texts).diagnostics
    assert str(diagnostic) == (
        "b.yaml:3: $.metadata.name: ModelProvider 'simulated' is already defined in"
        " a.yaml:1"
    )


def test_a_trigger_is_answered_by_one_crew() -> None:
    crew = VALID.rpartition("---\n")[2].replace("{name: coaching}", "{name: other}")
    assert told(f"{VALID}---\n{crew}") == [
        (
            "crews.yaml:63: $.spec.triggers[0]: Message is already answered by crew"
            " 'coaching'"
        )
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML"),
        ("- a", "must be a mapping"),
        ("a: &x [1]\nb: *x", "aliases are not allowed"),
        ("1: a", "a key must be plain text"),
        ("a: !!python/object:os.system {}", "is required"),
        ("[" * 5_000, "nested too deeply"),
        ("kind: Crew", "is required"),
        ("\x00", "not YAML"),
    ],
)
def test_what_is_no_document_is_told(text: str, message: str) -> None:
    assert any(message in line for line in told(text))


def test_prompts_are_read_beside_the_document_and_nowhere_else(
    tmp_path: Path,
) -> None:
    configs = tmp_path / "configs"
    (configs / "prompts").mkdir(parents=True)
    (configs / "prompts" / "goal.md").write_text("Help\n", "utf-8")
    (tmp_path / "secret").write_text("s3cret", "utf-8")
    (configs / "link").symlink_to(tmp_path / "secret")
    inside = changed("goal: Help", "goal: {file: prompts/goal.md}")
    (configs / "crews.yaml").write_text(inside, "utf-8")
    loaded = load_directory(configs)
    assert validate(loaded) == []
    assert loaded.agents["coach"].spec.goal == "Help"
    for path in ("../secret", str(tmp_path / "secret"), "link", "prompts/none.md"):
        outside = changed("goal: Help", f"goal: {{file: {path}}}")
        (configs / "crews.yaml").write_text(outside, "utf-8")
        first, *_ = validate(load_directory(configs))
        assert (first.line, first.pointer) == (31, "$.spec.goal")
        assert "s3cret" not in first.message


def test_the_products_own_documents_are_valid() -> None:
    root = Path(__file__).parents[3]
    packages = read_packages(root / "services" / "agents")
    assert validate(load_directory(root / "configs"), packages) == []
