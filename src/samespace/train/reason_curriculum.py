"""Curriculum: from steps written out to steps thought, a few at a time.

In stage k of S the first round(n k / S) of n written steps are replaced by latent ones, from the left; the rest stays
text that is learned (`reason_losses.text_ce`). Some batches go back to an earlier stage, so that it is not forgotten.
The optimizer is kept from stage to stage.

Where every step can be told what it should say, a shorter way was better in our measurements: stage 0, then the last
stage with `reason_losses.step_ce`. That is `Curriculum(steps, stages=1)`.

Knows nothing of models. Imports the standard library only.
Reference: Deng et al., arXiv:2405.14838; Hao et al., Coconut, arXiv:2412.06769, section 3.
"""

import random
from dataclasses import dataclass

__all__ = ["Curriculum"]


@dataclass(frozen=True)
class Curriculum:
    """Which steps of a batch are thought.

    Attributes:
        steps: n, written out at first.
        stages: S, after stage 0, in which nothing is thought.
        mix: share of batches that are drawn from an earlier stage, 0 to 1; .1 to .3 is usual.
        seed: of that.
    """

    steps: int
    stages: int
    mix: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.stages <= self.steps or not 0 <= self.mix < 1:
            raise ValueError(
                f"{self.stages} stages for {self.steps} steps, mix {self.mix}\nUse 1 <= stages <= steps, 0 <= mix < 1"
            )

    def thought(self, stage: int, batch: int) -> int:
        """How many steps a batch thinks; the same for the same stage and batch number, so a run can be resumed.

        Raises ValueError: no such stage.
        """
        if not 0 <= stage <= self.stages:
            raise ValueError(f"stage {stage} of {self.stages}\nUse 0 to {self.stages}")
        chance = random.Random(f"{self.seed} {stage} {batch}")  # noqa: S311 - a schedule, no secret
        drawn = chance.randrange(stage) if stage and chance.random() < self.mix else stage
        return round(self.steps * drawn / self.stages)
