"""What befalls the processes of a stack while it is used."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

import psutil

from libs.testing.stack import Stack, StackProcess, until

__all__ = ["Blow", "Blows"]

_HELD_SECONDS = 5.0
_STOP_SECONDS = 30.0


class Blow(Enum):
    """What befalls a process; most often it is killed."""

    KILL = "kill"
    STOP = "stop"
    HOLD = "hold"

    async def strike(self, victim: StackProcess) -> None:
        """Do it, see that it is done, and wait until the process serves again."""
        before = victim.pid
        match self:
            case Blow.KILL:
                victim.kill()
                victim.spawn()
            case Blow.STOP:
                victim.signal_stop()
                assert await victim.exited(timeout_seconds=_STOP_SECONDS) == 0
                victim.spawn()
            case Blow.HOLD:
                os.kill(victim.pid, signal.SIGSTOP)
                await _until_held(victim)
                await asyncio.sleep(_HELD_SECONDS)
                os.kill(victim.pid, signal.SIGCONT)
        await victim.until_ready()
        assert (victim.pid == before) is (self is Blow.HOLD)


async def _until_held(victim: StackProcess) -> None:
    async def is_held() -> bool:
        status: str = psutil.Process(victim.pid).status()
        return status == psutil.STATUS_STOPPED

    await until(is_held, timeout_seconds=10, what=f"{victim.name} held")


@dataclass(slots=True)
class Blows:
    """Every blow befalls either process and both at once, in any order, in rounds."""

    stack: Stack
    chance: random.Random
    struck: Counter[Blow] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    _coming: Iterator[tuple[Blow, list[StackProcess]]] = field(init=False)

    def __post_init__(self) -> None:
        self._coming = self._rounds()

    def _rounds(self) -> Iterator[tuple[Blow, list[StackProcess]]]:
        gateway, orchestrator = self.stack.gateway, self.stack.orchestrator
        chosen: list[list[StackProcess]]
        chosen = [[gateway], [orchestrator], [gateway, orchestrator]]
        while True:
            one_round = [
                (blow, victims) for blow in (Blow.KILL, *Blow) for victims in chosen
            ]
            self.chance.shuffle(one_round)
            yield from one_round

    async def next(self) -> None:
        """Let the next one fall and count it once it is over."""
        blow, victims = next(self._coming)
        self.told.append(f"{blow.value} {'+'.join(each.name for each in victims)}")
        await asyncio.gather(*(blow.strike(victim) for victim in victims))
        self.struck[blow] += 1
