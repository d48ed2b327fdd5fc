"""How does a version take over, and how is it taken back? In durable steps that the record leads.

A rollout is the workflow ``rollout``: warm, then for each share of the traffic *turn* and *watch*,
then *crown*. Watching judges the new version by what it answered itself: its error ratio, the
99th percentile of its times, and in the shadow how often it differs from the champion. Worse is
rolled back with the numbers as the reason. The first version ever goes live at once.

One record says who answers (:class:`~twinhelm.mlops.types.Deployment`). It changes in the
transaction of its event, of the versions' stages and of the rollout, so at any moment there is one
champion; Serving is turned to the record afterwards. ``kill -9`` at any point: at the start Serving
is turned to the record, and the workflow goes on at the step that was lost; a step that had
committed finds so, and changes nothing twice. Once a rollout is stopped or rolled back, its
workflow finds that too, and ends. A workflow that fails or is cancelled takes its rollout with it:
the next :meth:`Rollouts.settle` gives the traffic back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twinhelm.core.clock import Clock
from twinhelm.core.errors import Conflict, NotFound, TwinhelmError
from twinhelm.core.ports import Records
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.kinds.products import (
    DeploymentChanged,
    RolloutAdvanced,
    RolloutEnded,
    RolloutStarted,
    VersionStaged,
)
from twinhelm.events.workflows import Run, WorkflowPort
from twinhelm.mlops.deploy import Serving
from twinhelm.mlops.deploy.steps import check_parts, fails_early, rules_of, way, worse
from twinhelm.mlops.records import find, get, load, need, put
from twinhelm.mlops.types import (
    Deployment,
    Part,
    Product,
    ProductVersion,
    Rollout,
    RolloutState,
    Spec,
    Stage,
)

__all__ = ["Rollouts"]

log = logging.getLogger(__name__)

MAY_ANSWER = (Stage.APPROVED, Stage.LIVE)
PAUSE_S = 0.05
ACTOR = "twinhelm"
STOP = "`twinhelm stop-rollout {}` ends it"


@dataclass(slots=True)
class Rollouts:
    """Starts, walks and ends rollouts; ``opened`` verifies a version's files and says where.

    ``on_live`` is told (product, version) after a new champion has been crowned. ``python_of``
    names the interpreter that has a version's libraries, empty for our own.
    """

    records: Records
    journal: Journal
    clock: Clock
    workflows: WorkflowPort
    serving: Serving
    spec_of: Callable[[str], Spec | None]
    opened: Callable[[str, str], Path]
    on_live: Callable[[str, str], None]
    python_of: Callable[[str, str], str] = lambda _product, _version: ""
    _turning: threading.RLock = field(default_factory=threading.RLock)
    _pause: threading.Event = field(default_factory=threading.Event)

    def register(self) -> None:
        """Make the workflow known; rollouts that were cut off go on from here."""
        self.workflows.register("rollout", self._rollout)

    def resume(self) -> None:
        """Turn Serving to the records: called at the start, returns before models are warm."""
        with self.records.reading() as unit:
            deployments = find(unit, Deployment)
        for each in deployments:
            self._turn(each.product)
        self.serving.waits = False
        self.settle()

    def settle(self) -> None:
        """Begin rollouts that a crash left without a job; end those whose job ended without them.

        To be called now and then, after the workflows were resumed.
        """
        with self.records.reading() as unit:
            running = find(unit, Rollout, state=RolloutState.RUNNING)
        for each in running:
            try:
                job = self.workflows.status(each.job)
            except NotFound:  # killed between the record and the job
                self._begin(each)
                continue
            if job.state.over:
                self._give_up(each.id, f"its job was {job.state}: {job.error or 'no reason'}")

    def start(self, product: str, version: str, *, by: str) -> str:
        """Begin to let a version take over; returns the rollout's id.

        Raises :class:`~twinhelm.core.errors.NotFound`, and :class:`Conflict` where it is not
        approved, answers already, or another rollout of the product is under way.
        """
        spec = self.spec_of(product)
        with self.journal.writing(by) as write:
            made = need(write, ProductVersion, f"{product}/{version}")
            _check_stage(made)
            now = get(write, Deployment, product) or Deployment(product, (), 0)
            if now.champion == version:
                raise Conflict(f"{made.ref} is the champion already")
            if running := self._running(write, product):
                raise Conflict(f"rollout {running.id} is under way", hint=STOP.format(product))
            count = len(find(write, Rollout, product=product)) + 1
            kind, shares = way(rules_of(spec), first=not now.champion)
            rollout = Rollout(
                f"{product}/{version}/{count}", product, version, now.champion,
                RolloutState.RUNNING, 0, shares, self.clock.now_ms(), by,
            )  # fmt: skip
            rollout = replace(rollout, job=f"rollout-{_key(rollout)}")
            put(write, rollout)
            write.event(RolloutStarted(product, version, rollout.id, now.champion, kind))
        self._begin(rollout)
        return rollout.id

    def rollback(self, product: str, *, by: str, reason: str) -> Deployment:
        """Give the traffic back at once: from a canary to the champion, else to the one before.

        Raises :class:`Conflict` where there is nothing to go back to.
        """
        with self.records.reading() as unit:
            now = need(unit, Deployment, product)
            running = self._running(unit, product)
        if running is not None and running.before:
            with suppress(Conflict):  # it ended just now: perhaps it is the champion
                return self._end(running.id, RolloutState.ROLLED_BACK, reason, by=by)
            now = load(self.records, Deployment, product)
        if not now.before:
            said = f"{product} has had no champion before {now.champion or 'this'}"
            raise Conflict(said, hint=f"promote another, or: twinhelm product retire {product}")
        self._hold(product, now.before)
        with self._turning, self.journal.writing(by) as write:
            now = need(write, Deployment, product)
            if not (new := now.before):
                raise Conflict(f"{product} was rolled back just now")
            parts = (Part(new, "champion", 1.0),)
            made = self._deploy(write, product, parts, before="", reason=reason)
        self._turn(product)
        self.on_live(product, new)
        return made

    def stop(self, product: str, *, by: str, reason: str) -> Deployment:
        """End the rollout under way, if there is one; the champion has all traffic again."""
        with self.records.reading() as unit:
            running = self._running(unit, product)
        if running is None:
            raise Conflict(f"no rollout of {product} is under way", hint="perhaps it just ended")
        return self._end(running.id, RolloutState.STOPPED, reason, by=by)

    def withdraw(self, product: str, *, by: str, reason: str) -> None:
        """Let nobody answer for a product any more; a rollout under way is stopped first."""
        with suppress(Conflict):
            self.stop(product, by=by, reason=reason)
        with self._turning, self.journal.writing(by) as write:
            self._deploy(write, product, (), before="", reason=reason)
        self._turn(product)

    def deployment(self, product: str) -> Deployment | None:
        """Return who answers; None where nobody ever did."""
        with self.records.reading() as unit:
            return get(unit, Deployment, product)

    def rollouts(self, product: str) -> list[Rollout]:
        """List a product's rollouts, the newest first."""
        with self.records.reading() as unit:
            return find(unit, Rollout, product=product, newest_first=True)

    def route(self, product: str, parts: Sequence[Part], *, by: str, reason: str) -> Deployment:
        """Split the traffic by hand among what was let in, the last champion too: an A/B test.

        Raises :class:`BadInput` where shares do not add up or there is not one champion, and
        :class:`Conflict` for a version that is not approved, or while a rollout is under way.
        """
        chosen, known = tuple(parts), self.deployment(product)
        check_parts(chosen)
        for part in chosen:
            if known is None or part.version != known.before:
                _check_stage(load(self.records, ProductVersion, f"{product}/{part.version}"))
            self._hold(product, part.version)
        with self._turning, self.journal.writing(by) as write:
            if running := self._running(write, product):
                raise Conflict(f"rollout {running.id} is under way", hint=STOP.format(product))
            now = get(write, Deployment, product)
            old = now.champion if now else ""
            new = next(part.version for part in chosen if part.role == "champion")
            before = old if old != new else (now.before if now else "")
            made = self._deploy(write, product, chosen, before=before, reason=reason)
        self._turn(product)
        if new != old:
            self.on_live(product, new)
        return made

    def _begin(self, rollout: Rollout) -> None:
        args = {"id": rollout.id, "product": rollout.product, "version": rollout.version}
        self.workflows.start("rollout", args, key=_key(rollout))

    def _rollout(self, run: Run, args: Mapping[str, Any]) -> str:
        """Walk one rollout; what it comes to is in its record, and returned."""
        name, product, version = args["id"], args["product"], args["version"]
        try:
            run.step("warm", self._hold, product, version)
        except TwinhelmError as error:
            return run.step("give up", self._give_up, name, f"it does not get warm: {error}")
        rollout = load(self.records, Rollout, name)
        for at, share in enumerate(rollout.shares):
            if not run.step(f"turn {at}", self._advance, name, at, share):
                return load(self.records, Rollout, name).state
            judged = run.step(f"watch {at}", self._watch, run, name, share)
            if judged["reason"]:
                return run.step(
                    "give up", self._give_up, name, judged["reason"], judged["measured"]
                )
        if run.step("crown", self._crown, name):
            run.step("tell", self.on_live, product, version)
        return load(self.records, Rollout, name).state

    def _advance(self, name: str, at: int, share: float) -> bool:
        """Give the version its next share; False where the rollout has ended meanwhile."""
        with self._turning, self.journal.writing(ACTOR) as write:
            rollout = need(write, Rollout, name)
            if rollout.state is not RolloutState.RUNNING:
                return False
            if rollout.step <= at:
                product, version = rollout.product, rollout.version
                put(write, replace(rollout, step=at + 1))
                role = "canary" if share else "shadow"
                parts = (Part(rollout.before, "champion", 1.0 - share), Part(version, role, share))
                before = need(write, Deployment, product).before
                self._deploy(write, product, parts, before=before, reason=f"rollout {name}")
                write.event(RolloutAdvanced(product, version, name, share))
        self._turn(rollout.product)
        return True

    def _watch(self, run: Run, name: str, share: float) -> dict[str, Any]:
        """Wait for the step's time and requests; return the reason to give up, or an empty one."""
        rollout = load(self.records, Rollout, name)
        asked = rules_of(self.spec_of(rollout.product))
        # After a restart the version may not be warm yet, and nothing was counted before.
        self._turn(rollout.product)
        begun = self.serving.tally(rollout.product, rollout.version)
        until_s = self.clock.monotonic_s() + asked.step_s
        while True:
            tally = self.serving.tally(rollout.product, rollout.version).since(begun)
            measured = tally.words()
            if load(self.records, Rollout, name).state is not RolloutState.RUNNING:
                return {"reason": "", "measured": measured}
            enough = tally.requests >= asked.min_requests
            over = self.clock.monotonic_s() >= until_s
            if (enough and over) or fails_early(tally, asked):
                return {"reason": worse(tally, asked, shadow=not share), "measured": measured}
            run.progress(
                min(tally.requests, asked.min_requests), asked.min_requests,
                f"{tally.requests} requests, {tally.errors} errors at a share of {share:.0%}",
            )  # fmt: skip
            self._pause.wait(PAUSE_S)

    def _crown(self, name: str) -> bool:
        """Make the version the champion; False where the rollout has ended another way."""
        with self._turning, self.journal.writing(ACTOR) as write:
            rollout = need(write, Rollout, name)
            product, version = rollout.product, rollout.version
            if rollout.state is RolloutState.RUNNING:
                now = get(write, Deployment, product) or Deployment(product, (), 0)
                parts = (Part(version, "champion", 1.0),)
                reason = f"rollout {name} is done"
                before = now.champion if now.champion != version else now.before
                self._deploy(write, product, parts, before=before, reason=reason)
                put(write, replace(rollout, state=RolloutState.DONE, reason=reason))
                write.event(RolloutEnded(product, version, name, RolloutState.DONE, reason))
            elif rollout.state is not RolloutState.DONE:
                return False
        self._turn(product)
        return True

    def _give_up(self, name: str, reason: str, measured: Mapping[str, float] | None = None) -> str:
        with suppress(Conflict):  # it has ended another way
            self._end(name, RolloutState.ROLLED_BACK, reason, by=ACTOR, measured=measured)
        return load(self.records, Rollout, name).state

    def _end(
        self,
        name: str,
        state: RolloutState,
        reason: str,
        *,
        by: str,
        measured: Mapping[str, float] | None = None,
    ) -> Deployment:
        """End a rollout before its version is champion; all traffic goes back to who was."""
        with self._turning, self.journal.writing(by) as write:
            rollout = need(write, Rollout, name)
            if rollout.state is not RolloutState.RUNNING:
                raise Conflict(f"rollout {name} is {rollout.state}", hint="it ended by now")
            product, version = rollout.product, rollout.version
            now = get(write, Deployment, product) or Deployment(product, (), 0)
            put(write, replace(rollout, state=state, reason=reason, measured=measured or {}))
            write.event(RolloutEnded(product, version, name, state, reason))
            if any(part.version == version for part in now.parts):
                parts = (Part(rollout.before, "champion", 1.0),)
                now = self._deploy(write, product, parts, before=now.before, reason=reason)
            self._stage(write, product, version, Stage.RETIRED, reason)
        self._turn(product)
        return now

    def _running(self, unit: Any, product: str) -> Rollout | None:
        found = find(unit, Rollout, product=product, state=RolloutState.RUNNING)
        return found[0] if found else None

    def _deploy(
        self,
        write: JournalWriter,
        product: str,
        parts: tuple[Part, ...],
        *,
        before: str,
        reason: str,
    ) -> Deployment:
        """Record who answers from now on, and what that makes of them and of who did."""
        was = get(write, Deployment, product)
        made = Deployment(product, parts, self.clock.now_ms(), before)
        put(write, made)
        told = tuple((part.version, part.role, part.share) for part in parts)
        write.event(DeploymentChanged(product, told, before, reason))
        named = [part.version for part in parts]
        for version in named:
            self._stage(write, product, version, Stage.LIVE, reason)
        for part in was.parts if was else ():
            if part.version not in named:
                self._stage(write, product, part.version, Stage.RETIRED, reason)
        put(write, replace(need(write, Product, product), live=made.champion))
        return made

    def _stage(
        self, write: JournalWriter, product: str, version: str, stage: Stage, reason: str
    ) -> None:
        known = need(write, ProductVersion, f"{product}/{version}")
        if known.stage != stage:
            told = reason if stage is Stage.RETIRED else ""
            put(write, replace(known, stage=stage.value, reason=told))
            write.event(VersionStaged(product, version, known.stage, stage.value, reason))

    def _hold(self, product: str, version: str, *, wait: bool = True) -> None:
        """Make a version warm; its files are verified now, before anything is opened."""
        limits = self.serving.limits(self.spec_of(product), self.python_of(product, version))
        folder = self.opened(product, version)
        self.serving.hold(product, version, folder, limits, wait=wait)

    def _turn(self, product: str) -> None:
        """Turn Serving to what the record says now: the newest word, whoever wrote it.

        A version that is not held (after a restart) gets warm meanwhile; one whose files do not
        verify any more answers nothing, and says so.
        """
        with self._turning:
            with self.records.reading() as unit:
                now = get(unit, Deployment, product)
            if now is None:
                return
            for version in {part.version for part in now.parts} | {now.before} - {""}:
                if not self.serving.holds(product, version):
                    try:
                        self._hold(product, version, wait=False)
                    except TwinhelmError as error:
                        told = {"product": product, "version": version, "reason": str(error)}
                        log.error("a version cannot answer", extra=told)
            self.serving.turn(now, self.spec_of(product))


def _key(rollout: Rollout) -> str:
    return rollout.id.replace("/", "-")


def _check_stage(version: ProductVersion) -> None:
    if version.stage not in MAY_ANSWER:
        hint = f"twinhelm promote {version.product} {version.version}"
        raise Conflict(f"{version.ref} is {version.stage}, not approved", hint=hint)
