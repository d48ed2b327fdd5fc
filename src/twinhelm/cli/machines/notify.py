"""``notify`` checks the plan and tries a channel; ``oncall``, ``maintenance``, ``quality`` ask."""

from pathlib import Path
from typing import Annotated, Any

import typer

from twinhelm.cli.asked import LOCAL, Asked, Last, Limit, command, moment_ms
from twinhelm.cli.shown import count, heading, now_ms, rows, say, when

__all__ = [
    "app", "check", "end", "group", "list_windows", "on_call_now", "plan", "quality", "sent",
    "try_", "windows",
]  # fmt: skip

app = typer.Typer()
group = typer.Typer(name="notify", help="Who is told of what.", no_args_is_help=True)
windows = typer.Typer(name="maintenance", help="When trouble is expected.", no_args_is_help=True)

Begin = Annotated[
    int | None, typer.Option("--from", parser=moment_ms, metavar="TIME", help="Else now.")
]
DAY_MS = 86_400_000
SENT = "made_ms state channel person last_answer=last.outcome what=message.title"
DUTIES = "rota now=now.person until=now.end_ms next=next.person zone"
GROUPS = "of name >incidents=opened >acted_on=actionable >came_back=flaps what_would_mend_it=fix"
WINDOWS = "id from=start_ms until=end_ms each_week=weekly of=entities why=reason by"
Until = Annotated[int, typer.Option(parser=moment_ms, metavar="TIME", help="When it ends.")]


@command(group.command("check"), LOCAL)
def check(
    to: Asked,
    file: Annotated[Path | None, typer.Argument(help="The plan; else the settings' own.")] = None,
) -> None:
    """Read the plan without a server: what is wrong, who is on call, which secrets are missing."""
    from twinhelm.aiops.notify.document import read_plan
    from twinhelm.aiops.notify.rota import clock_changes, on_call
    from twinhelm.app.notices import plan_file
    from twinhelm.cli.place import settings_of
    from twinhelm.core.errors import NotFound, TwinhelmError
    from twinhelm.core.own.secrets import Secrets, secret_name

    settings = settings_of(to.data)
    place = file or plan_file(settings)
    if not place.is_file():
        raise NotFound(f"there is no plan {place}", hint="docs/notify.md says how one is written")
    made = read_plan(place.read_text(encoding="utf-8"), place.name, now_ms())
    secrets, missing = Secrets(settings.data / "secrets"), []
    for name in sorted({secret_name(one.secret) for one in made.channels if one.secret}):
        try:
            secrets.get(name)
        except TwinhelmError as error:
            missing.append(str(error))
    duties = {rota.name: on_call(made, rota, now_ms()) for rota in made.rotas}
    changes = {rota.name: clock_changes(made, rota, now_ms()) for rota in made.rotas}
    document = {
        "channels": [one.name for one in made.channels],
        "routes": [one.name for one in made.routes],
        "on_call": {name: now.person for name, (now, _) in duties.items()},
        "clock_changes": changes, "missing": missing,
    }  # fmt: skip

    def show() -> None:
        told = (count(len(getattr(made, each)), each[:-1]) for each in ("channels", "routes"))
        say(f"{place} is sound: {', '.join(told)}", "green")
        for name, (now, then) in duties.items():
            follows = f", then {then.person or 'nobody'} {when(then.start_ms)}" if then else ""
            say(f"{name}: {now.person or 'nobody'}{follows}")
            for each in changes[name]:
                say(f"   {each}", "dim")
        for each in missing:
            say(each, "yellow")

    to.answer(document, show)


@command(group.command("test"))
def try_(
    to: Asked,
    channel: Annotated[str, typer.Argument(help="The channel's name.")],
    person: Annotated[str, typer.Option(help="Send it as to this person.")] = "",
) -> None:
    """Send a test message by a channel now."""
    said = to.reach().post("notices/test", {"channel": channel, "person": person})
    to.answer(said, f"{channel} took it: {'; '.join(said['answers'])}")


@command(group.command("sent"))
def sent(
    to: Asked,
    state: Annotated[str, typer.Option(help="waiting, sent, together, quiet or failed.")] = "",
    limit: Limit = 50,
) -> None:
    """List messages and how their sending went, the newest first."""
    found = to.reach().get("notices", state=state or None, limit=limit)
    last = [each | {"last": (each["attempts"] or [None])[-1]} for each in found]
    to.answer(found, lambda: rows(last, SENT, "No message was due so far."))


@command(app.command("oncall"))
def on_call_now(to: Asked) -> None:
    """Say who is on call now and next."""
    found = to.reach().get("on-call")

    def show() -> None:
        for turn in (each[which] for each in found["duties"] for which in ("now", "next")):
            if turn is not None:
                turn["person"] = turn["person"] or "nobody"
        rows(found["duties"], DUTIES, "No rota is planned; docs/notify.md says how.")
        if found["wrong"]:
            say(f"The plan's file is not taken: {found['wrong']}", "red")

    to.answer(found, show)


@command(app.command("quality"))
def quality(to: Asked, last: Last = None) -> None:
    """Say how good the alerts were: how many, how many mattered, and what would mend the rest."""
    now = now_ms()
    found = to.reach().get("alert-quality", start_ms=now - (last or 30 * DAY_MS), end_ms=now)

    def span(seconds: float | None) -> str:
        return "unknown" if seconds is None else f"{seconds / 60:.1f} min"

    def show() -> None:
        say(f"{count(found['opened'], 'incident')}, {found['per_day']:.1f} a day", "bold")
        acted = found["actionable"]
        say(f"acted on {'unknown' if acted is None else f'{acted:.0%}'}")
        say(f"taken after {span(found['taken_s'])}, resolved after {span(found['resolved_s'])}")
        heading("Noisiest first")
        rows(found["groups"], GROUPS, "No incident began in this time.")

    to.answer(found, show)


@command(windows.command("list"))
def list_windows(to: Asked, limit: Limit = 50) -> None:
    """List windows, the one that starts last first."""
    found = to.reach().get("maintenance", limit=limit)
    told = [
        each | {"weekly": week and f"{', '.join(week['days'])} {week['begin']} to {week['end']} "
                f"{week['zone']}"} for each in found for week in (each["weekly"],)
    ]  # fmt: skip
    to.answer(found, lambda: rows(told, WINDOWS, "No maintenance was ever planned."))


@command(windows.command("plan"))
def plan(
    to: Asked,
    entities: Annotated[list[str], typer.Argument(help="Entities, as service:shop/*; * for all.")],
    until: Until,
    reason: Annotated[str, typer.Option(help="What is done.")],
    begin: Begin = None,
    weekly: Annotated[
        str | None, typer.Option(metavar="DAYS", help="Only on these days of each week: sat,sun.")
    ] = None,
    hours: Annotated[
        str, typer.Option(help="With --weekly: the hours; into the next day as 22:00-02:00.")
    ] = "00:00-00:00",
    zone: Annotated[str, typer.Option(help="With --weekly: whose clocks count.")] = "UTC",
) -> None:
    """Expect trouble of some entities for a time: it raises nothing and tells nobody."""
    asked: dict[str, Any] = {"entities": entities, "end_ms": until, "reason": reason}
    asked["start_ms"] = now_ms() if begin is None else begin
    if weekly is not None:
        first, _, last = hours.partition("-")
        week = {"days": weekly.split(","), "begin": first, "end": last, "zone": zone}
        asked["weekly"] = week
    made = to.reach().post("maintenance", asked)
    to.answer(made, f"Window {made['id']} is planned until {when(made['end_ms'])}.")


@command(windows.command("end"))
def end(to: Asked, window: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """End a window now, or take it back before it begins."""
    to.reach().delete(f"maintenance/{window}")
    to.answer({"ended": window}, f"Window {window} is over.")
