"""How far a run has come, and whether it is done: judged on prefixes of the attempts, never on who worked on them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajloom.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is asked of a run; all of it is judged on prefixes of the attempts, so it is the same for any workers."""

    successes: int | None = None
    """Stop at the attempt that makes this many successes."""
    attempts: int | None = None
    """Stop after this many attempts."""
    max_attempts: int | None = None
    """Give up after this many attempts; by default 20 for each success asked for, and at least 100."""
    min_success_rate: float = 0.01
    """Give up when fewer than this share of the attempts succeed."""
    judge_after: int = 100
    """Attempts before the success rate is judged."""

    def __post_init__(self) -> None:
        if (self.successes is None) == (self.attempts is None):
            raise SettingsError("ask for either successes or attempts")
        asked = self.successes if self.attempts is None else self.attempts
        if asked is None or asked < 1:
            raise SettingsError(f"ask for at least one; got {asked}")

    @property
    def cap(self) -> int:
        """The number of attempts after which a run ends in any case."""
        if self.attempts is not None:
            return self.attempts
        return self.max_attempts or max(100, 20 * (self.successes or 1))

    def end(self, outcomes: Sequence[bool]) -> int | None:
        """The attempt before which a run ends, given the outcomes of the first attempts; None while it must go on."""
        won = np.cumsum(np.asarray(outcomes, dtype=np.int64))
        ends = [self.cap] if len(outcomes) >= self.cap else []
        if self.successes is not None and len(won) and won[-1] >= self.successes:
            ends.append(int(np.searchsorted(won, self.successes)) + 1)
        judged = np.arange(1, len(won) + 1)
        hopeless = (judged >= self.judge_after) & (won < self.min_success_rate * judged)
        if self.attempts is None and hopeless.any():
            ends.append(int(np.argmax(hopeless)) + 1)
        return min(ends) if ends else None

    def is_worth_more(self, done: Sequence[bool], pending: int) -> bool:
        """Whether one more unit is likely to be needed, given that `pending` attempts are under way."""
        if len(done) + pending >= self.cap:
            return False
        if self.successes is None:
            return True
        rate = (sum(done) + 1) / (len(done) + 1)
        return sum(done) + rate * pending < self.successes

    def shortfall(self, outcomes: Sequence[bool], end: int) -> str | None:
        """Why a run that ended before `end` has less than was asked for; None where it has it all."""
        got = int(sum(outcomes[:end]))
        if self.successes is None or got >= self.successes:
            return None
        rate = f"{got} of {end} attempts succeeded ({100 * got / max(end, 1):.1f} %)"
        why = f"the cap of {self.cap} attempts" if end >= self.cap else f"a success rate below {self.min_success_rate}"
        return f"stopped at {why}: {rate}, {self.successes} successes were asked for"
