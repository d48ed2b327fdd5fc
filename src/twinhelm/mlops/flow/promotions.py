"""The road from a registered version to one that may go live: asking, answering, starting.

Everything that is asked, refused, answered or let in is one transaction with its events, so that
two who answer at once are told apart, and nothing is half-decided after a crash. Only the start
of the rollout comes after: :meth:`Promotions.resume` finds what was approved and never started.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, Denied, NotFound, TwinhelmError
from twinhelm.core.policy import Decision, Verdict
from twinhelm.core.ports import JournalRow, Records
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.kinds.products import (
    ApprovalAnswered,
    ApprovalRequested,
    DeploymentChanged,
    PromotionRefused,
    VersionStaged,
)
from twinhelm.events.values import Reading
from twinhelm.mlops.approve import Case, judge, may_answer, needs
from twinhelm.mlops.records import find, get, load, need, put
from twinhelm.mlops.types import (
    Answer,
    Approval,
    ApprovalState,
    Check,
    Product,
    ProductVersion,
    Rollout,
    RolloutState,
    Spec,
    Stage,
    Validation,
)

__all__ = ["Promotions"]


@dataclass(slots=True)
class Promotions:
    """The approval desk.

    ``start_rollout(product, version, by)`` begins a rollout and returns its id once the record of
    it is written; it raises where it cannot begin. ``opened`` verifies a version's files.
    """

    records: Records
    journal: Journal
    clock: Clock
    start_rollout: Callable[[str, str, str], str]
    opened: Callable[[str, str], Path]
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def judge(self, product: str, version: str, *, by: str) -> tuple[Decision, list[Check]]:
        """Say what stands in the way, changing nothing and reading no file of the version."""
        with self.records.reading() as unit:
            return judge(_case(unit, product, version, by))

    def ask(
        self, product: str, version: str, *, by: str, door: str = "api", note: str = ""
    ) -> Approval | None:
        """Ask that a version go live: by its gates alone (None), or by a request to people.

        Asked again while a request is open, it is the same one. Raises :class:`Denied`, with all
        that stands in the way, and tells the journal.
        """
        seal = self._seal(product, version)
        with self.journal.writing(by) as write:
            case = _case(write, product, version, by, seal)
            decision, _ = judge(case)
            let_in = decision.verdict is Verdict.ALLOW
            state = ApprovalState.APPROVED if let_in else ApprovalState.OPEN
            asked = next((each for each in case.approvals if each.state is state), None)
            if decision.verdict is Verdict.DENY:
                write.event(PromotionRefused(product, version, decision.reason, door))
            elif asked is None:
                asked = self._request(write, case, note)
                if let_in:
                    _let_in(write, case, decision.reason)
        if decision.verdict is Verdict.DENY:
            said = f"{product}/{version} may not go live: {decision.reason}"
            raise Denied(said, hint=f"every check: twinhelm product show {product}, or its page")
        if decision.verdict is Verdict.ASK:
            return asked
        self._start(product, version, by)
        return None

    def answer(
        self, approval_id: str, *, agrees: bool, note: str, by: str, roles: Iterable[str]
    ) -> Approval:
        """Agree, or refuse with a reason; one refusal ends the request, enough agreements let in.

        Raises :class:`Conflict` where the request is closed or ``by`` has answered, and
        :class:`Denied` where ``by`` may not answer or the version may not go live any more.
        """
        asked = load(self.records, Approval, approval_id)
        product, version = asked.product, asked.version
        seal = self._seal(product, version) if agrees else ""
        with self.journal.writing(by) as write:
            asked = need(write, Approval, approval_id)
            if asked.state is not ApprovalState.OPEN:
                raise Conflict(f"the request {approval_id} is {asked.state} already")
            if any(each.by == by for each in asked.answers):
                raise Conflict(f"{by} has answered {approval_id} already")
            if not agrees and not note.strip():
                raise BadInput("a refusal needs a reason", hint="say in the note what is missing")
            case = _case(write, product, version, asked.asked_by, seal)
            person = write.get("person", by) is not None
            decision = may_answer(case.spec, case.version, asked, by=by, roles=roles, person=person)
            if decision.verdict is Verdict.ALLOW and agrees:
                decision, _ = judge(case)
            if decision.verdict is Verdict.DENY:
                write.event(PromotionRefused(product, version, decision.reason, "approval"))
            else:
                said = Answer(by, agrees, note, self.clock.now_ms())
                asked = replace(asked, answers=(*asked.answers, said))
                asked = replace(asked, state=_come_to(asked))
                put(write, asked)
                write.event(
                    ApprovalAnswered(product, version, approval_id, agrees, note, asked.state)
                )
                if asked.state is ApprovalState.APPROVED:
                    _let_in(write, case, f"request {approval_id}")
        if decision.verdict is Verdict.DENY:
            raise Denied(f"{by} cannot answer {approval_id}: {decision.reason}")
        if asked.state is ApprovalState.APPROVED:
            self._start(product, version, asked.asked_by)
        return asked

    def resume(self) -> list[str]:
        """Start the rollouts of what was approved and never started; returns the versions.

        To be called at start, and now and then: a rollout may have had to wait for another.
        """
        with self.records.reading() as unit:
            approved = find(unit, ProductVersion, state=Stage.APPROVED)
            waiting = [asked for each in approved if (asked := _waits(unit, each))]
        return [
            f"{each.product}/{each.version}"
            for each in waiting
            if self._start(each.product, each.version, each.asked_by)
        ]

    def went_live(self, product: str, version: str) -> list[Approval]:
        """End the open requests that a version's going live has overtaken: its own and older."""
        with self.journal.writing("twinhelm") as write:
            live = need(write, ProductVersion, f"{product}/{version}")
            over = [
                replace(each, state=ApprovalState.OVERTAKEN)
                for each in find(write, Approval, product=product, state=ApprovalState.OPEN)
                if need(write, ProductVersion, f"{product}/{each.version}").registered_ms
                <= live.registered_ms
            ]
            why = f"version {version} went live"
            for each in over:
                put(write, each)
                write.event(
                    ApprovalAnswered(product, each.version, each.id, False, why, each.state)
                )
            return over

    def inbox(self) -> list[Approval]:
        """List the open requests, oldest first."""
        with self.records.reading() as unit:
            return find(unit, Approval, state=ApprovalState.OPEN)

    def approvals(self, product: str) -> list[Approval]:
        """List all requests of a product, newest first."""
        with self.records.reading() as unit:
            return find(unit, Approval, product=product, newest_first=True)

    def live_at(self, time_ms: int) -> list[dict[str, Any]]:
        """Say what answered at a moment, since when, who asked for it and who approved.

        From the journal alone, one row per version that took traffic or shadowed it: product,
        version, role, share, since_ms, changed_by, reason, approval, asked_by, asked_ms, needs,
        approved_by (names), notes (what those who approved said). ``approval`` is empty where
        nobody asked.
        """
        requests: dict[str, dict[str, Any]] = {}
        last: dict[tuple[str, str], dict[str, Any]] = {}
        live: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        nobody = {"approval": "", "asked_by": "", "asked_ms": 0, "needs": 0, "approved_by": [],
                  "notes": []}  # fmt: skip
        for row in self._until(time_ms):
            body = row.body
            if row.kind == ApprovalRequested.kind:
                requests[body["approval"]] = last[body["product"], body["version"]] = {
                    "approval": body["approval"], "asked_by": row.actor, "asked_ms": row.time_ms,
                    "needs": body["needs"], "approved_by": [], "notes": [],
                }  # fmt: skip
            elif row.kind == ApprovalAnswered.kind:
                if body["agrees"] and body["approval"] in requests:
                    asked = requests[body["approval"]]
                    asked["approved_by"].append(row.actor)
                    asked["notes"] += [body["note"]] if body["note"] else []
            else:
                before, product = live.get(body["product"], {}), body["product"]
                told = {"changed_by": row.actor, "reason": body["reason"], "since_ms": row.time_ms}
                live[product] = {
                    (role, version): {"product": product, "version": version, "role": role,
                     **told, **last.get((product, version), nobody),
                     **before.get((role, version), {}), "share": share}
                    for version, role, share in body["parts"]
                }  # fmt: skip
        return [row for product in sorted(live) for _, row in sorted(live[product].items())]

    def _until(self, time_ms: int) -> list[JournalRow]:
        kinds = (ApprovalRequested, ApprovalAnswered, DeploymentChanged)
        found = [row for each in kinds for row in self.journal.walk(each.kind)]
        return sorted((row for row in found if row.time_ms <= time_ms), key=lambda row: row.seq)

    def _seal(self, product: str, version: str) -> str:
        """Say what is wrong with the files of a version; whether it exists is looked at later."""
        try:
            self.opened(product, version)
        except (Denied, NotFound) as error:
            return error.message
        return ""

    def _request(self, write: JournalWriter, case: Case, note: str) -> Approval:
        version, wanted = case.version, needs(case.spec, case.version)
        number = len(_requests(write, version)) + 1
        state = ApprovalState.OPEN if wanted else ApprovalState.APPROVED
        asked = Approval(
            f"{version.ref}/{number}", version.product, version.version, case.asker,
            self.clock.now_ms(), wanted, state, note=note,
        )  # fmt: skip
        put(write, asked)
        write.event(ApprovalRequested(asked.product, asked.version, asked.id, wanted))
        return asked

    def _start(self, product: str, version: str, by: str) -> bool:
        """Begin the rollout of what is approved, once; what keeps it from it is told once."""
        with self._turn:
            with self.records.reading() as unit:
                found = need(unit, ProductVersion, f"{product}/{version}")
                if _waits(unit, found) is None:
                    return False
            try:
                self.start_rollout(product, version, by)
            except TwinhelmError as error:
                told = PromotionRefused(product, version, f"approved, but {error.message}", "start")
                last = self.journal.read(
                    subject=told.subject, kind=told.kind, newest_first=True, limit=1
                )
                if not last or last[0].body["reason"] != told.reason:
                    with self.journal.writing(by) as write:
                        write.event(told)
                return False
            return True


def _case(unit: Reading, product: str, version: str, by: str, seal: str = "") -> Case:
    """Load all that is known of a version; raises :class:`NotFound`."""
    found = need(unit, ProductVersion, f"{product}/{version}")
    of = need(unit, Product, product)
    spec = Spec.model_validate(of.spec) if of.spec else None
    opened = [each for each in _requests(unit, found) if each.state is ApprovalState.OPEN]
    agreed = _waits(unit, found)
    rolling = any(each.state is RolloutState.RUNNING for each in _rollouts(unit, found))
    return Case(
        of, spec, found, get(unit, Validation, found.ref),
        tuple([*opened, agreed] if agreed else opened), by, seal, rolling,
    )  # fmt: skip


def _requests(unit: Reading, version: ProductVersion) -> list[Approval]:
    """List the requests of one version, newest first; they are numbered from 1."""
    found: list[Approval] = []
    while each := get(unit, Approval, f"{version.ref}/{len(found) + 1}"):
        found.insert(0, each)
    return found


def _rollouts(unit: Reading, version: ProductVersion) -> list[Rollout]:
    found = find(unit, Rollout, product=version.product, newest_first=True)
    return [each for each in found if each.version == version.version]


def _waits(unit: Reading, version: ProductVersion) -> Approval | None:
    """Return the agreed request of a version that has had no rollout since."""
    requests = _requests(unit, version) if version.stage == Stage.APPROVED else []
    agreed = next((each for each in requests if each.state is ApprovalState.APPROVED), None)
    if agreed is None:
        return None
    since = max(agreed.asked_ms, *(each.time_ms for each in agreed.answers), 0)
    used = any(each.started_ms >= since for each in _rollouts(unit, version))
    return None if used else agreed


def _let_in(write: JournalWriter, case: Case, reason: str) -> None:
    version = case.version
    put(write, replace(version, stage=Stage.APPROVED))
    write.event(
        VersionStaged(version.product, version.version, version.stage, Stage.APPROVED, reason)
    )


def _come_to(asked: Approval) -> ApprovalState:
    if not all(each.agrees for each in asked.answers):
        return ApprovalState.REFUSED
    enough = len(asked.answers) >= asked.needs
    return ApprovalState.APPROVED if enough else ApprovalState.OPEN
