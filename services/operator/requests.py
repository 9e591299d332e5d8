"""What people ask of a roll-out by annotations: heeded once, then taken away.

A person's word goes before rules: it may promote what failed before and pass what is
not proven. The process may die between writing the status and taking an annotation
away, so heeding one twice does what heeding it once does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from libs.crewspec.annotations import RequestAnnotation
from libs.crewspec.status import ConditionReason, LastProbe
from services.operator.moments import exact_moment, moment
from services.operator.plan import EventToTell, EventType
from services.operator.revisions import KeptRevisions
from services.operator.rollout import is_probing, trial_of
from services.operator.standing import Failure, Situation, Standing

__all__ = ["Heeded", "heed", "report_asked_probes"]

_YES: Final = "true"


@dataclass(frozen=True, slots=True)
class Heeded:
    """What became of the requests: where the roll-out stands now, and who to tell."""

    standing: Standing
    is_approving: bool = False
    cleared: tuple[str, ...] = ()
    warnings: tuple[EventToTell, ...] = ()

    def ignoring(self, request: RequestAnnotation, why: str) -> "Heeded":
        """Say that a request has no effect."""
        message = f"annotation {request.key} has no effect: {why}"
        warning = EventToTell(EventType.WARNING, "RequestIgnored", message[:1_000])
        return replace(self, warnings=(*self.warnings, warning))


def heed(
    standing: Standing,
    annotations: Mapping[str, str],
    situation: Situation,
    kept: KeptRevisions,
) -> Heeded:
    """Do what is asked for; requests that mean nothing are told and taken away too."""
    heeded = Heeded(standing)
    handlers: tuple[tuple[RequestAnnotation, _Handler], ...] = (
        (RequestAnnotation.ROLLBACK_TO, _roll_back),
        (RequestAnnotation.ABORT, _abort),
        (RequestAnnotation.APPROVE, _approve),
        (RequestAnnotation.PROBE, _probe),
    )
    for request, handler in handlers:
        if request.key in annotations:
            value = annotations[request.key].strip()
            heeded = handler(heeded, value, situation, kept)
            heeded = replace(heeded, cleared=(*heeded.cleared, request.key))
    return heeded


def report_asked_probes(standing: Standing, situation: Situation) -> Standing:
    """Tell how probes went that somebody asked for, once all have an outcome.

    Those of a revision that is served no more, or of a crew that has none any more,
    will never have one.
    """
    probe = standing.last_probe
    if not probe.asked_at or probe.time:
        return standing
    is_served = probe.digest in {standing.stable, standing.candidate}
    if not is_served or not situation.rollout.probes:
        why = "has no probes any more" if is_served else "is not served any more"
        changes = {"time": moment(situation.now), "message": f"the revision {why}"}
        return replace(standing, last_probe=probe.model_copy(update=changes))
    trial = trial_of(standing, situation)
    if trial is None or trial.digest != probe.digest or trial.missing:
        return standing
    return replace(standing, last_probe=trial.result(asked_at=probe.asked_at))


def _roll_back(
    heeded: Heeded, value: str, situation: Situation, kept: KeptRevisions
) -> Heeded:
    standing, newest = heeded.standing, situation.newest
    target = kept.digest_named(value)
    if not target:
        why = f"no revision {value[:100]!r} is kept"
        return heeded.ignoring(RequestAnnotation.ROLLBACK_TO, why)
    if newest and newest != target:
        reason = ConditionReason.ROLLED_BACK_ON_REQUEST
        message = f"somebody asked for revision {kept.names[target]} instead"
        if newest not in standing.failed or standing.stable != target:
            failure = Failure(reason, message)
            standing = standing.giving_up(newest, failure, newest=newest)
        return replace(heeded, standing=_served(standing, target))
    return replace(heeded, standing=replace(_served(standing, target), given_up=None))


def _served(standing: Standing, target: str) -> Standing:
    failed = tuple(known for known in standing.failed if known != target)
    return replace(standing.without_candidate(), stable=target, failed=failed)


def _abort(
    heeded: Heeded, value: str, situation: Situation, kept: KeptRevisions
) -> Heeded:
    standing = heeded.standing
    if not standing.candidate:
        return heeded.ignoring(RequestAnnotation.ABORT, "nothing is being rolled out")
    if not _means_candidate(value, standing, kept):
        why = f"{value[:100]!r} is not what is being rolled out"
        return heeded.ignoring(RequestAnnotation.ABORT, why)
    failure = Failure(ConditionReason.ABORTED, "somebody gave it up")
    given_up = standing.giving_up(standing.candidate, failure, newest=situation.newest)
    return replace(heeded, standing=given_up)


def _approve(
    heeded: Heeded, value: str, situation: Situation, kept: KeptRevisions
) -> Heeded:
    standing, newest = heeded.standing, situation.newest
    if newest in standing.failed and kept.digest_named(value) == newest:
        again = standing.forgiving(newest).begun(newest, situation.now)
        return replace(heeded, standing=again, is_approving=True)
    if not standing.candidate:
        return heeded.ignoring(RequestAnnotation.APPROVE, "nothing waits for it")
    if not _means_candidate(value, standing, kept):
        why = f"{value[:100]!r} is not what is being rolled out"
        return heeded.ignoring(RequestAnnotation.APPROVE, why)
    approved = _approved(standing, situation)
    if approved is None:
        why = "the roll-out has not come to a step yet"
        return heeded.ignoring(RequestAnnotation.APPROVE, why)
    return replace(heeded, standing=approved, is_approving=True)


def _approved(standing: Standing, situation: Situation) -> Standing | None:
    """Record an approval; None when there is nothing to approve yet."""
    state, at = standing.state, exact_moment(situation.now)
    if state.step_started_at:
        if state.approved_step == state.step and not standing.stalled:
            return standing
        approved = standing.with_state(approved_step=state.step, progressed_at=at)
        return replace(approved, stalled=None)
    if standing.stalled:
        is_at_probes = state.programmed_at and not state.probed_at
        passed = {"probed_at": at} if is_at_probes else {}
        approved = standing.with_state(**passed, progressed_at=at)
        return replace(approved, stalled=None)
    return standing if state.probed_at else None


def _probe(
    heeded: Heeded, value: str, situation: Situation, kept: KeptRevisions
) -> Heeded:
    standing = heeded.standing
    served = {standing.stable, standing.candidate} - {""}
    digest = situation.newest if situation.newest in served else standing.stable
    if value != _YES and kept.digest_named(value) in served:
        digest = kept.digest_named(value)
    elif value != _YES:
        why = f"{value[:100]!r} is not served"
        return heeded.ignoring(RequestAnnotation.PROBE, why)
    if not digest or not situation.rollout.probes:
        why = "there are no probes" if digest else "no revision is served"
        return heeded.ignoring(RequestAnnotation.PROBE, why)
    if is_probing(standing):
        if digest == standing.candidate:
            return heeded
        why = "the probes of the revision that is rolled out are under way"
        return heeded.ignoring(RequestAnnotation.PROBE, why)
    asked_before = trial_of(standing, situation)
    if asked_before and asked_before.digest == digest:
        return heeded
    asked = LastProbe(
        digest=digest,
        asked_at=exact_moment(situation.now),
        total=len(situation.rollout.probes),
    )
    return replace(heeded, standing=replace(standing, last_probe=asked))


def _means_candidate(value: str, standing: Standing, kept: KeptRevisions) -> bool:
    return value == _YES or kept.digest_named(value) == standing.candidate


_Handler = Callable[[Heeded, str, Situation, KeptRevisions], Heeded]
