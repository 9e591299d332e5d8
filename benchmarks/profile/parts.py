"""Which frames make a part of what the event loops and the store's writer do."""

from typing import Final

from benchmarks.profile.stacks import Part

__all__ = ["OF_LOOP", "OF_WRITER"]

_BELOW: Final = Part("uvloop, gRPC and sockets below Python", r"Runner\.run \([^;]*\)$")
OF_LOOP: Final = {
    "gateway": (
        _BELOW,
        Part("fan-out: frames into sockets", r"Outbox\.|fanout_local"),
        Part("gRPC's Python", r"grpc/"),
        Part("run pump: proposals to the writer and back", r"RunPump\.|RunService\."),
        Part("commands and reading sockets", r"socket/|websockets|uvicorn"),
        Part("all else"),
    ),
    "orchestrator": (
        _BELOW,
        Part(
            "reading the model's stream: SSE, JSON, tokens",
            r"data_received|llm/sse|chat_chunks|output_window|hidden_text",
        ),
        Part("our recorder, pace and event log", r"Recorder\.|pace\.py|event_log"),
        Part(
            "opening the model's stream (request, headers)",
            r"llm/(http_transport|openai_compatible|model_call|addresses|quota)",
        ),
        Part(
            "CrewAI around the model call: agent, task, crew, prompts, tools, events",
            r"crewai/|crew_builder|crew_runner|runtime/executor",
        ),
        Part("gRPC's Python", r"grpc/"),
        Part("all else"),
    ),
}
OF_WRITER: Final = (
    Part("waiting for work", r"Writer\._gather"),
    Part("`BEGIN`, and looking whether the files are the same", r"Writer\._begin"),
    Part("statements", r"Writer\._apply"),
    Part("`COMMIT`", r"Writer\._commit \([^;]*\)$"),
    Part("waking the loop, counting and all else"),
)
