"""On whose account a sandbox is lost: a patch's, with which it is lost whenever that patch takes part, or the machine's.

A patch must not turn its failure into the machine's, which is nobody's failure and may be tried again, nor take the other cases with it.
The first loss is forgiven. After a further one the trusted arms play alone; when that goes well, each patch plays alone with them, and
those that do not come through are out of the race. When that finds nobody, again and again, the patches are better measured one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_isobench.errors import IsobenchError, NotEvaluableError, SandboxError
from pytest_isobench.measuring.contenders import Contender
from pytest_isobench.models.result import Finding, Outcome
from pytest_isobench.models.trial import ArmFailure

LOST = (SandboxError, NotEvaluableError)
"""What a round ends with when a sandbox, or a trusted arm in it, is lost."""
MOST = 5
"""Losses that may remain without an explanation."""


class CrowdedError(SandboxError):
    """A sandbox is lost when several patches play, and not when each of them plays alone."""


class Attribution:
    """Counts the losses of one campaign."""

    def __init__(
        self, trusted: Sequence[str], racing: Sequence[Contender], play: Callable[[Sequence[str]], object], renew: Callable[[], None]
    ) -> None:
        """`play` plays some arms in a round that counts for nothing; `renew` makes the sandbox anew and places who still races."""
        self._trusted, self._racing, self._play, self._renew = list(trusted), racing, play, renew
        self._losses = 0

    def lost(self, error: IsobenchError) -> None:
        """Make the sandbox anew after a loss, and take out of the race who loses it.

        Raises `error`, or a later loss, when the machine is to blame, and `CrowdedError` when nobody can be found.
        """
        self._losses += 1
        if not self._trusted:
            raise error
        if self._losses > MOST:
            self._give_up(error)
        self._renew()
        if self._losses == 1:
            return
        self._play(self._trusted)
        for contender in self._racing:
            if contender.racing:
                self._try(contender)

    def _give_up(self, error: IsobenchError) -> None:
        """Whoever is the only patch is to blame by now: as often as it was lost with it, the trusted arms came through alone."""
        racing = [contender for contender in self._racing if contender.racing]
        if len(racing) > 1:
            raise CrowdedError(f"lost {self._losses} times with {len(racing)} patches in it, and with none of them alone: {error}")
        convict(racing[0], error)

    def _try(self, contender: Contender) -> None:
        try:
            self._play([*self._trusted, contender.arm])
        except LOST as error:
            convict(contender, error)
            self._losses = 1
            self._renew()


def convict(contender: Contender, error: IsobenchError) -> None:
    """Hold the loss of a sandbox against a patch."""
    message = f"the sandbox is lost whenever this patch takes part, and only then: {error}"
    contender.failure = ArmFailure(outcome=Outcome.CRASHED, message=message)
    contender.note([Finding(kind="broke_sandbox", severity="alarm", message=message)])
