"""How many examples a generated test tries: few and fixed, or many and new."""

from enum import Enum
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings

__all__ = ["EFFORTS", "Effort"]


class Effort(Enum):
    """Few examples, the same ever again; or many, with a seed told by a failure."""

    FEW = 1
    MANY = 30

    def settings(self, examples: int, *, steps: int = 50) -> settings:
        """Settings of a test that tries `examples` when it is to be quick."""
        return settings(
            max_examples=examples * self.value,
            stateful_step_count=steps,
            derandomize=self is Effort.FEW,
            database=None,
            deadline=None,
            print_blob=True,
            # Explaining runs the real services hundreds of times more.
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )


EFFORTS: Final = [
    pytest.param(Effort.FEW, id="few"),
    pytest.param(
        Effort.MANY, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(1_800)]
    ),
]
"""For `pytest.mark.parametrize("effort", EFFORTS)`."""
