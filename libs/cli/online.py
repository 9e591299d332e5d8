"""Commands on a cluster: what crews do, and what is asked of their roll-outs."""

import argparse
import time
from dataclasses import asdict
from typing import Final

from libs.cli.cluster import Cluster, FoundCrew
from libs.cli.exit_codes import CommandError, ExitCode
from libs.cli.printing import print_json, print_table
from libs.crewspec.annotations import RequestAnnotation
from libs.crewspec.status import ConditionType, CrewStatus, LastProbe

__all__ = [
    "run_abort",
    "run_approve",
    "run_history",
    "run_list",
    "run_pause",
    "run_probe",
    "run_resume",
    "run_rollback",
]

_POLL_SECONDS: Final = 0.5


def run_list(options: argparse.Namespace) -> ExitCode:
    """Print the crews and where they stand."""
    crews = _cluster(options).crews(is_everywhere=options.all_namespaces)
    if options.output == "json":
        print_json([_as_json(crew) for crew in crews])
        return ExitCode.OK
    titles = ("NAMESPACE", "NAME", "READY", "PHASE", "REVISION", "ORCHESTRATORS")
    rows = [_row(crew) for crew in crews]
    print_table((*titles, "CANARY", "MESSAGE"), rows)
    return ExitCode.OK


def run_history(options: argparse.Namespace) -> ExitCode:
    """Print the revisions of a crew that are kept, and what each is now."""
    cluster = _cluster(options)
    crew = cluster.crew(options.crew)
    revisions = cluster.revisions(options.crew)
    states = [", ".join(_states(one.digest, crew.status)) for one in revisions]
    if options.output == "json":
        pairs = zip(revisions, states, strict=True)
        print_json([{**asdict(one), "state": state} for one, state in pairs])
        return ExitCode.OK
    rows = [
        (one.name, one.digest, one.created_at, state)
        for one, state in zip(revisions, states, strict=True)
    ]
    print_table(("REVISION", "DIGEST", "CREATED", "STATE"), rows)
    return ExitCode.OK


def run_rollback(options: argparse.Namespace) -> ExitCode:
    """Ask for a revision that is kept, by its name or its digest."""
    cluster = _cluster(options)
    kept = cluster.revisions(cluster.crew(options.crew).name)
    named = [one for one in kept if options.revision in {one.name, one.digest}]
    if not named:
        known = ", ".join(one.name for one in kept) or "none"
        detail = f"no revision {options.revision!r} of {options.crew!r}; kept: {known}"
        raise CommandError(detail, ExitCode.UNREACHABLE)
    request = RequestAnnotation.ROLLBACK_TO
    cluster.ask(options.crew, request, named[0].digest)
    return _say(f"crew {options.crew!r}: asked for revision {named[0].name}")


def run_approve(options: argparse.Namespace) -> ExitCode:
    """Let a roll-out go past its present step, or try a revision that failed again."""
    cluster = _cluster(options)
    status = cluster.crew(options.crew).status
    is_failed = status.newest_digest in status.failed_digests
    digest = status.newest_digest if is_failed else status.candidate_digest
    if not digest:
        return _nothing(options.crew, "nothing waits for an approval")
    cluster.ask(options.crew, RequestAnnotation.APPROVE, digest)
    return _say(f"crew {options.crew!r}: approved {digest}")


def run_abort(options: argparse.Namespace) -> ExitCode:
    """Give the candidate up; the stable revision serves everybody."""
    cluster = _cluster(options)
    digest = cluster.crew(options.crew).status.candidate_digest
    if not digest:
        return _nothing(options.crew, "nothing is being rolled out")
    cluster.ask(options.crew, RequestAnnotation.ABORT, digest)
    return _say(f"crew {options.crew!r}: gave up {digest}")


def run_pause(options: argparse.Namespace) -> ExitCode:
    """Hold a crew's roll-outs; what is served stays served."""
    _cluster(options).pause(options.crew, is_paused=True)
    return _say(f"crew {options.crew!r}: paused")


def run_resume(options: argparse.Namespace) -> ExitCode:
    """Let a crew's roll-outs go on."""
    _cluster(options).pause(options.crew, is_paused=False)
    return _say(f"crew {options.crew!r}: resumed")


def run_probe(options: argparse.Namespace) -> ExitCode:
    """Run a crew's probes now, wait for their outcome and print it."""
    cluster = _cluster(options)
    before = cluster.crew(options.crew).status.last_probe
    cluster.ask(options.crew, RequestAnnotation.PROBE, "true")
    probe = _outcome(cluster, options.crew, before, options.timeout)
    if probe is None:
        why = "the operator did not take that up: see the crew's events"
        return _nothing(options.crew, why)
    if options.output == "json":
        print_json(probe.model_dump(mode="json", by_alias=True))
    else:
        print(f"{probe.passed} of {probe.total} probes passed on {probe.digest}")
        if probe.message:
            print(probe.message)
    return ExitCode.OK if probe.passed == probe.total else ExitCode.FOUND


def _outcome(
    cluster: Cluster, name: str, before: LastProbe, timeout_seconds: float
) -> LastProbe | None:
    """Wait for the probes that were asked for; None when the request was ignored."""
    end = time.monotonic() + timeout_seconds
    while time.monotonic() < end:
        crew = cluster.crew(name)
        probe = crew.status.last_probe
        is_heeded = RequestAnnotation.PROBE.key not in crew.annotations
        if is_heeded and probe.asked_at in {"", before.asked_at}:
            return None
        if is_heeded and probe.time:
            return probe
        time.sleep(_POLL_SECONDS)
    detail = (
        f"no outcome within {timeout_seconds:g} s: is the operator running, and an"
        " orchestrator that serves the crew?"
    )
    raise CommandError(detail, ExitCode.UNREACHABLE)


def _cluster(options: argparse.Namespace) -> Cluster:
    return Cluster(
        kubeconfig=options.kubeconfig,
        context=options.context,
        namespace=options.namespace,
    )


def _row(crew: FoundCrew) -> tuple[str, ...]:
    status = crew.status
    ready, _, message = crew.condition(ConditionType.READY)
    return (
        crew.namespace,
        crew.name,
        ready or "Unknown",
        f"{status.phase.value}, paused" if crew.is_paused else status.phase.value,
        status.stable_revision or "-",
        status.summary or "-",
        f"{status.canary_weight} %" if status.candidate_digest else "-",
        message,
    )


def _as_json(crew: FoundCrew) -> dict[str, object]:
    return {
        "namespace": crew.namespace,
        "name": crew.name,
        "paused": crew.is_paused,
        "status": crew.told,
    }


def _states(digest: str, status: CrewStatus) -> list[str]:
    states = {
        "newest": digest == status.newest_digest,
        "stable": digest == status.stable_digest,
        f"candidate {status.canary_weight} %": digest == status.candidate_digest,
        "failed": digest in status.failed_digests,
    }
    return [state for state, is_so in states.items() if is_so]


def _say(told: str) -> ExitCode:
    print(told)
    return ExitCode.OK


def _nothing(crew: str, why: str) -> ExitCode:
    print(f"crew {crew!r}: {why}")
    return ExitCode.FOUND
