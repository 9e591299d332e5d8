"""The orchestrators that are connected, and what each made of what it was told.

Nothing here is stored: orchestrators tell it anew to whoever leads.
"""

import secrets as random_ids
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from services.operator.observed import FleetView, ProbeOutcome, RevisionStats
from services.operator.plan import Assignment, ProbeToStart

__all__ = [
    "NO_DIGESTS",
    "PROBE_GRACE_SECONDS",
    "Answer",
    "Fleet",
    "ProbeCall",
    "Refusal",
]

NO_DIGESTS: Final[frozenset[str]] = frozenset()
_PROBES_AT_ONCE: Final = 2
"""On one orchestrator: probes take places that founders want."""
PROBE_GRACE_SECONDS: Final = 10
"""How much longer than its own limit a probe's answer may be on its way."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an orchestrator does not have in force, and why.

    A revision has `crew` and `digest`, a document `document` ("Kind/key").
    """

    crew: str
    digest: str
    document: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An orchestrator's answer to all that it was told up to an update."""

    nonce: int
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeCall:
    """A probe as one orchestrator is asked for it."""

    probe_id: str
    crew: str
    probe: ProbeToStart
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_overdue(self) -> bool:
        """Whether no answer can be expected any more."""
        seconds = self.probe.timeout_seconds + PROBE_GRACE_SECONDS
        return datetime.now(UTC) - self.asked_at > timedelta(seconds=seconds)


@dataclass(slots=True)
class _Instance:
    """One orchestrator.

    `pending` has what was told and not answered yet: digests by crew, by nonce.
    `told` is what of it was answered; `kept` is what was in force before an update
    of which a part is refused.
    """

    node: str
    version: str
    ask: Callable[[ProbeCall], None]
    pending: dict[int, dict[str, frozenset[str]]] = field(default_factory=dict)
    told: dict[str, frozenset[str]] = field(default_factory=dict)
    kept: dict[str, frozenset[str]] = field(default_factory=dict)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    probes: dict[str, ProbeCall] = field(default_factory=dict)
    has_answered: bool = False

    def serving(self, crew: str) -> frozenset[str]:
        """The digests of a crew that are in force."""
        told, refused = self.told.get(crew, NO_DIGESTS), self.refused.get(crew)
        if not refused or not told & refused.keys():
            return told
        return (told | self.kept.get(crew, NO_DIGESTS)) - refused.keys()


@dataclass(slots=True)
class _Tally:
    """What was counted and tried since a crew's present assignment."""

    candidate: str = ""
    digests: frozenset[str] = NO_DIGESTS
    stats: dict[tuple[str, str], RevisionStats] = field(default_factory=dict)
    probes: dict[str, dict[str, ProbeOutcome]] = field(default_factory=dict)


class Fleet:
    """All connected orchestrators; says which crews to look at anew.

    `on_news` takes the crews whose view changed; `on_stats` takes one whose counts
    changed, which can be often.
    """

    def __init__(
        self,
        *,
        on_news: Callable[[Iterable[str]], None],
        on_stats: Callable[[str], None],
    ) -> None:
        self.desired: int | None = None
        self._on_news = on_news
        self._on_stats = on_stats
        self._instances: dict[str, _Instance] = {}
        self._tallies: defaultdict[str, _Tally] = defaultdict(_Tally)

    @property
    def connected(self) -> int:
        """How many orchestrators have a stream."""
        return len(self._instances)

    @property
    def is_settled(self) -> bool:
        """Whether all that should be here are, and have said what they have."""
        answered = sum(each.has_answered for each in self._instances.values())
        return self.desired is not None and answered >= self.desired

    @property
    def refusing(self) -> int:
        """How many orchestrators refuse a part of what they were told."""
        instances = self._instances.values()
        return sum(bool(each.refused or each.documents) for each in instances)

    def set_desired(self, desired: int | None) -> bool:
        """Note how many ready orchestrators there are; tell whether that is news."""
        is_news = desired != self.desired
        self.desired = desired
        return is_news

    def connect(
        self,
        instance: str,
        *,
        node: str,
        version: str,
        ask: Callable[[ProbeCall], None],
    ) -> None:
        """Take in an orchestrator that was told nothing yet."""
        self._instances[instance] = _Instance(node=node, version=version, ask=ask)

    def disconnect(self, instance: str) -> frozenset[str]:
        """Forget an orchestrator; return the crews it served."""
        gone = self._instances.pop(instance, None)
        if gone is None:
            return frozenset()
        # A probe that it did not answer is planned again, on another.
        asked = {call.crew for call in gone.probes.values()}
        return frozenset(gone.told) | frozenset(gone.refused) | asked

    def told(
        self, instance: str, nonce: int, crews: Mapping[str, frozenset[str]]
    ) -> None:
        """Note which digests an orchestrator was told to serve, by crew."""
        if found := self._instances.get(instance):
            found.pending[nonce] = dict(crews)

    def answered(self, instance: str, answer: Answer) -> None:
        """Take in an orchestrator's answer."""
        found = self._instances.get(instance)
        if found is None:
            return
        found.has_answered = True
        concerned = self._take_told(found, answer.nonce) | set(found.refused)
        found.refused, found.documents = {}, {}
        for refusal in answer.refusals:
            if refusal.document:
                found.documents[refusal.document] = refusal.detail
            else:
                details = found.refused.setdefault(refusal.crew, {})
                details[refusal.digest] = refusal.detail
        self._on_news(concerned | set(found.refused))

    def assigned(self, assignment: Assignment) -> None:
        """Note what a crew is to serve: counts of another candidate are void."""
        tally = self._tallies[assignment.crew]
        digests = {assignment.stable_digest, assignment.candidate_digest} - {""}
        if tally.candidate != assignment.candidate_digest:
            tally.candidate = assignment.candidate_digest
            tally.stats = {}
        for digest in tally.probes.keys() - digests:
            del tally.probes[digest]
        tally.digests = frozenset(digests)

    def withdrawn(self, crew: str) -> None:
        """Forget what was counted of a crew."""
        self._tallies.pop(crew, None)

    def counted(
        self,
        instance: str,
        *,
        crew: str,
        digest: str,
        candidate: str,
        stats: RevisionStats,
    ) -> None:
        """Take in an orchestrator's counts, unless they are of another roll-out."""
        tally = self._tallies.get(crew)
        if tally is None or not candidate or candidate != tally.candidate:
            return
        if tally.stats.get((digest, instance)) != stats:
            tally.stats[digest, instance] = stats
            self._on_stats(crew)

    def start_probe(self, crew: str, probe: ProbeToStart) -> bool:
        """Ask an orchestrator that has the revision; tell whether one was asked.

        One that is under way is not asked for twice; one that is overdue has failed.
        """
        if underway := self._underway(crew, probe):
            instance, call = underway
            if call.is_overdue:
                self.probed(instance, call.probe_id, _no_answer(probe))
            return True
        serving = [
            instance
            for instance in self._instances.values()
            if len(instance.probes) < _PROBES_AT_ONCE
            and probe.digest in instance.serving(crew)
        ]
        if not serving:
            return False
        chosen = min(serving, key=lambda each: len(each.probes))
        call = ProbeCall(random_ids.token_hex(8), crew, probe)
        chosen.probes[call.probe_id] = call
        chosen.ask(call)
        return True

    def probed(self, instance: str, probe_id: str, outcome: ProbeOutcome) -> None:
        """Take in how a probe went; an answer to no question is passed over."""
        found = self._instances.get(instance)
        call = found.probes.pop(probe_id, None) if found else None
        if call is None:
            return
        tally = self._tallies[call.crew]
        if call.probe.digest in tally.digests:
            outcomes = tally.probes.setdefault(call.probe.digest, {})
            outcomes[call.probe.name] = outcome
        self._on_news((call.crew,))

    def view(self, crew: str) -> FleetView:
        """Return what concerns one crew."""
        tally = self._tallies.get(crew, _Tally())
        serving, refused = {}, defaultdict[str, dict[str, str]](dict)
        for name, instance in self._instances.items():
            if digests := instance.serving(crew):
                serving[name] = digests
            for digest, detail in instance.refused.get(crew, {}).items():
                refused[digest][name] = detail
        return FleetView(
            desired=self._expected,
            serving=serving,
            refused=dict(refused),
            stats=_summed(tally.stats),
            probes={digest: dict(each) for digest, each in tally.probes.items()},
        )

    def clear(self) -> None:
        """Forget everything: another replica leads."""
        self._instances.clear()
        self._tallies.clear()

    def states(self) -> Counter[str]:
        """Count orchestrators by state."""
        return Counter(
            ready=self.desired or 0, connected=self.connected, refusing=self.refusing
        )

    @property
    def _expected(self) -> int | None:
        """Count who has to have a crew: the ready ones, or those who answered if more.

        Orchestrators become ready with their first crew: until then none is ready,
        and they are known by their answers alone.
        """
        if self.desired is None:
            return None
        answered = sum(each.has_answered for each in self._instances.values())
        return max(self.desired, answered)

    def _underway(self, crew: str, probe: ProbeToStart) -> tuple[str, ProbeCall] | None:
        wanted = (crew, probe.digest, probe.name)
        for name, instance in self._instances.items():
            for call in instance.probes.values():
                if (call.crew, call.probe.digest, call.probe.name) == wanted:
                    return name, call
        return None

    def _take_told(self, instance: _Instance, nonce: int) -> set[str]:
        """Count as answered what was told up to an update; return its crews."""
        concerned: set[str] = set()
        for told in [each for each in instance.pending if each <= nonce]:
            for crew, digests in instance.pending.pop(told).items():
                instance.kept[crew] = instance.serving(crew)
                if digests:
                    instance.told[crew] = digests
                else:
                    instance.told.pop(crew, None)
                    instance.kept.pop(crew, None)
                concerned.add(crew)
        return concerned


def _no_answer(probe: ProbeToStart) -> ProbeOutcome:
    return ProbeOutcome(
        text="",
        agents=(),
        error=f"no answer within {probe.timeout_seconds} s",
        duration_ms=probe.timeout_seconds * 1_000,
        finished_at=datetime.now(UTC),
    )


def _summed(
    stats: Mapping[tuple[str, str], RevisionStats],
) -> dict[str, RevisionStats]:
    summed: dict[str, RevisionStats] = {}
    for (digest, _), each in stats.items():
        so_far = summed.get(digest, RevisionStats())
        durations = zip(so_far.durations, each.durations, strict=True)
        summed[digest] = RevisionStats(
            turns=so_far.turns + each.turns,
            errors=so_far.errors + each.errors,
            durations=tuple(map(sum, durations)),
        )
    return summed
