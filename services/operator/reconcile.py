"""From what is observed of a crew to what is to be done about it."""

from dataclasses import replace
from datetime import datetime

from libs.crewspec.rollout import Rollout
from libs.crewspec.status import (
    ConditionReason,
    ConditionStatus,
    ConditionType,
    CrewStatus,
    Orchestrators,
)
from services.operator.compilation import Compilation, compile_crew
from services.operator.conditions import (
    Claim,
    Outlook,
    claims_of,
    count_orchestrators,
    dated,
    phase_of,
    summary_of,
)
from services.operator.events import events_of
from services.operator.moments import read_moment
from services.operator.observed import Observed, Settings
from services.operator.plan import Assignment, Plan
from services.operator.requests import heed, report_asked_probes
from services.operator.revisions import (
    KeptRevisions,
    keep_newest,
    revisions_to_delete,
)
from services.operator.rollout import roll, trial_of, waits_for
from services.operator.standing import (
    SETTLING,
    Situation,
    Standing,
    condition_reason,
    standing_of,
)

__all__ = ["pending_status", "reconcile"]


def pending_status(generation: int, now: datetime) -> CrewStatus:
    """Return what is written before anything else about a crew without a status.

    Tools that wait for resources take one without any status for ready.
    """
    message = "nothing is known about it yet"
    pending = Claim(
        ConditionType.READY, ConditionStatus.UNKNOWN, ConditionReason.PENDING, message
    )
    conditions = dated([pending], (), generation=generation, now=now)
    return CrewStatus(observed_generation=generation, conditions=conditions)


def reconcile(observed: Observed, settings: Settings) -> Plan:
    """Decide what is to be done about a crew; the same of the same, without effects.

    What was decided before is read from the crew's status, so that whoever leads next
    goes on from there; a plan whose status is written is not planned again. Mistakes
    of documents are told in the status, never raised.
    """
    crew = observed.crew
    compilation = compile_crew(observed, settings)
    kept = keep_newest(compilation.newest, crew.name, observed.revisions)
    before = crew.status or CrewStatus()
    situation = _situation(observed, compilation, before)
    standing = standing_of(before, situation.newest)
    heeded = heed(standing, crew.annotations, situation, kept)
    situation = replace(situation, is_approving=heeded.is_approving)
    standing = report_asked_probes(roll(heeded.standing, situation), situation)
    outlook = Outlook(
        findings=compilation.findings,
        standing=standing,
        situation=situation,
        wait=waits_for(standing, situation) if standing.candidate else None,
        before=before,
    )
    status, settles_at = _status(outlook, kept, crew.generation)
    trial = trial_of(standing, situation)
    until = outlook.wait.until if outlook.wait and not standing.stalled else None
    return Plan(
        status=status,
        assignment=_assignment(crew.key, standing),
        create=(kept.create,) if kept.create else (),
        delete=_deleted(observed, compilation, standing),
        clear_annotations=heeded.cleared,
        events=heeded.warnings + events_of(crew.status, status, standing.just_given_up),
        probes=trial.missing if trial else (),
        again_in_seconds=_seconds_until(observed.now, until, settles_at),
    )


def _situation(
    observed: Observed, compilation: Compilation, before: CrewStatus
) -> Situation:
    spec = compilation.spec
    programmed = condition_reason(before, ConditionType.PROGRAMMED)
    reconciling = condition_reason(before, ConditionType.RECONCILING)
    return Situation(
        newest=compilation.newest.digest if compilation.newest else "",
        rollout=spec.rollout if spec else Rollout(),
        is_paused=spec.paused if spec else False,
        fleet=observed.fleet,
        now=observed.now,
        was_waiting=programmed == ConditionReason.NO_ORCHESTRATORS
        or reconciling == ConditionReason.PAUSED,
    )


def _status(
    outlook: Outlook, kept: KeptRevisions, generation: int
) -> tuple[CrewStatus, datetime | None]:
    """Sum up; the moment is when counts that are held back are told, if any are."""
    standing, situation, before = outlook.standing, outlook.situation, outlook.before
    claims = claims_of(outlook)
    counted = count_orchestrators(standing, situation)
    status = CrewStatus(
        observed_generation=generation,
        conditions=dated(
            claims, before.conditions, generation=generation, now=situation.now
        ),
        phase=phase_of(outlook, claims),
        newest_digest=situation.newest,
        stable_digest=standing.stable,
        stable_revision=kept.names.get(standing.stable, ""),
        candidate_digest=standing.candidate,
        candidate_revision=kept.names.get(standing.candidate, ""),
        canary_weight=standing.state.weight,
        rollout=standing.state,
        failed_digests=standing.failed,
        collision_count=max(before.collision_count, kept.collisions),
        orchestrators=counted,
        summary=summary_of(counted, situation),
        last_probe=standing.last_probe,
    )
    return _without_haste(status, outlook)


def _without_haste(
    status: CrewStatus, outlook: Outlook
) -> tuple[CrewStatus, datetime | None]:
    """Hold back counts that will have changed again in a moment.

    Orchestrators answer one after another within less than a second: to write each
    answer down would cost as many writes as there are orchestrators.
    """
    before, now = outlook.before, outlook.situation.now
    counts: dict[str, Orchestrators | str] = {
        "orchestrators": before.orchestrators,
        "summary": before.summary,
    }
    held = status.model_copy(update=counts)
    progressed = read_moment(status.rollout.progressed_at)
    if held != before or held == status or progressed is None:
        return status, None
    settles_at = progressed + SETTLING
    return (held, settles_at) if now < settles_at else (status, None)


def _assignment(key: str, standing: Standing) -> Assignment | None:
    if not standing.stable and not standing.candidate:
        return None
    return Assignment(
        crew=key,
        stable_digest=standing.stable,
        candidate_digest=standing.candidate,
        candidate_weight=standing.state.weight,
    )


def _deleted(
    observed: Observed, compilation: Compilation, standing: Standing
) -> tuple[str, ...]:
    """Choose revisions to delete; none while it is not known which is the newest."""
    if compilation.spec is None or compilation.newest is None:
        return ()
    return revisions_to_delete(
        observed.revisions,
        needed=(compilation.newest.digest, standing.stable, standing.candidate),
        limit=compilation.spec.revision_history_limit,
    )


def _seconds_until(now: datetime, *moments: datetime | None) -> float | None:
    coming = [at for at in moments if at is not None]
    return (min(coming) - now).total_seconds() if coming else None
