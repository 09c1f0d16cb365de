"""The loop of a search: trials are started, watched, stopped, and told to the study."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FacekpError, RecipeError
from . import recipe as recipes
from . import space
from .trial import Attempt, wait

if TYPE_CHECKING:
    import optuna

__all__ = ["Loop"]

log = logging.getLogger(__name__)

POLL = 0.5  # seconds between two looks at what the runs have measured
BEAT = 10.0  # seconds between two signs of life
STALE = 60.0  # seconds without one, after which a trial belongs to whoever comes
HOPELESS = 3  # failures without any success, after which more of them would not help


@dataclass(slots=True)
class Going:
    """A trial under way."""

    trial: optuna.Trial
    attempt: Attempt
    reported: int = -1
    beat: float = 0.0


@dataclass(slots=True)
class Loop:
    """Trials started, watched, stopped, and told to the study."""

    study: optuna.Study
    axes: Sequence[space.Axis]
    recipe: str | Path
    fixed: Sequence[str]
    output: Path
    metric: str
    total: int
    workers: int
    threads: int
    going: list[Going] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    looked: float = 0.0

    def go(self) -> None:
        """Until the study has as many trials as it shall have."""
        from optuna.trial import TrialState

        for old in self.study.get_trials(states=(TrialState.FAIL,)):
            self._again(old)
        try:
            while True:
                self._adopt()
                while len(self.going) < self.workers and self._wanted():
                    self._start()
                if self.going:
                    wait([one.attempt for one in self.going], POLL)
                    for one in list(self.going):
                        self._look(one)
                elif self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                    time.sleep(POLL)  # another command's: should that be killed, they are ours
                elif not self._wanted():
                    break
                self._despair()
        finally:
            for one in self.going:
                one.attempt.process.terminate()  # all at once, then wait
            for one in self.going:
                one.attempt.stop()
                self.study.tell(one.trial, state=TrialState.FAIL)
        self._despair(at_end=True)

    def _wanted(self) -> bool:
        return self._counted() < self.total

    def _counted(self, before: float = math.inf) -> int:
        """Trials that count towards the total, of those with lower numbers than ``before``."""
        from optuna.trial import TrialState

        counted = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        return sum(
            (t.state in counted or t.number in self.failed) and t.number < before
            for t in self.study.get_trials(deepcopy=False)
        )

    def _start(self) -> None:
        from optuna.trial import TrialState

        trial = self.study.ask()
        if self._counted(trial.number) >= self.total:  # another command was faster
            self.study.tell(trial, state=TrialState.FAIL)
            return
        values = {axis.key: axis.suggest(trial) for axis in self.axes}
        folder = self.output / str(trial.user_attrs.get("run", f"trial-{trial.number:04d}"))
        trial.set_user_attr("run", folder.name)
        trial.set_user_attr("alive", time.time())
        overrides = [*self.fixed, *space.overrides(values)]
        try:
            recipes.load(self.recipe, overrides)
        except FacekpError as error:
            self._fail(trial, str(error))
            return
        log.info("%s: %s", folder.name, ", ".join(space.overrides(values)))
        self.going.append(Going(trial, Attempt(self.recipe, overrides, folder, self.threads)))

    def _look(self, one: Going) -> None:
        """Report what a run has measured; tell the study if it has ended, or shall."""
        from optuna.trial import TrialState

        ended = one.attempt.ended  # asked first: what it wrote before its end is then complete
        if time.time() - one.beat > BEAT:
            one.beat = time.time()
            one.trial.set_user_attr("alive", one.beat)
        for epoch, value in one.attempt.measured(self.metric):
            if epoch > one.reported and math.isfinite(value):
                one.trial.report(value, epoch)
                one.reported = epoch
        if ended:
            self.going.remove(one)
            self._end(one)
        elif one.reported >= 0 and one.trial.should_prune():
            self.going.remove(one)
            one.attempt.stop()
            self.study.tell(one.trial, state=TrialState.PRUNED)
            log.info("%s: pruned after epoch %d", one.attempt.folder.name, one.reported)

    def _end(self, one: Going) -> None:
        found = [value for _, value in one.attempt.measured(self.metric) if math.isfinite(value)]
        reason = one.attempt.reason()
        if reason is None and not found:
            reason = f"it has measured no {self.metric}"
        if reason is not None:
            self._fail(one.trial, reason)
            return
        best = max(found) if self.study.direction.name == "MAXIMIZE" else min(found)
        self.study.tell(one.trial, best)
        log.info("%s: %s %.5g", one.attempt.folder.name, self.metric, best)

    def _fail(self, trial: optuna.Trial, reason: str) -> None:
        from optuna.trial import TrialState

        trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=TrialState.FAIL)
        self.failed[trial.number] = reason
        log.warning("%s: failed: %s", trial.user_attrs.get("run"), reason)

    def _despair(self, *, at_end: bool = False) -> None:
        """Stop where nothing works."""
        from optuna.trial import TrialState

        if self.failed and (at_end or len(self.failed) >= HOPELESS):
            if any(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in self.study.get_trials(deepcopy=False)):
                return
            raise RecipeError(f"search: all of {len(self.failed)} trials failed: {next(iter(self.failed.values()))}")

    def _adopt(self) -> None:
        """Trials of a command that was killed are ours to do again."""
        from optuna.trial import TrialState

        if time.time() - self.looked < BEAT:
            return
        self.looked = time.time()
        ours = {one.trial.number for one in self.going}
        for other in self.study.get_trials(states=(TrialState.RUNNING,)):
            started = other.datetime_start.timestamp() if other.datetime_start else 0.0
            seen = float(other.user_attrs.get("alive", started))
            if other.number in ours or time.time() - seen < STALE:
                continue
            try:
                self.study.tell(other.number, state=TrialState.FAIL)
            except ValueError:  # another command was faster
                continue
            self._again(other)

    def _again(self, old: optuna.trial.FrozenTrial) -> None:
        """Put a trial into the queue again, in its folder, unless that has been done."""
        done = {t.user_attrs.get("again") for t in self.study.get_trials(deepcopy=False)}
        if "run" in old.user_attrs and old.number not in done:
            self.study.enqueue_trial(old.params, user_attrs={"run": old.user_attrs["run"], "again": old.number})
