"""``feedback``: call something right or wrong, see what that changes, undo it, export it all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from twinhelm.cli.asked import Asked, Limit, command
from twinhelm.cli.shown import Column, heading, listing, say, when
from twinhelm.core.errors import Conflict

__all__ = ["app", "apply", "export", "give", "lessons", "listed", "undo"]

app = typer.Typer(
    name="feedback", help="Call something right or wrong, and see what that changes.",
    no_args_is_help=True,
)  # fmt: skip

ABOUT = "anomaly/KEY, incident/N/member/KEY, incident/N/cause/RANK, repair/KEY or forecast/SERIES."
Id = Annotated[int, typer.Argument(min=1, max=(1 << 53) - 1, help="The answer.")]
PAGE = 1000
_COLUMNS: tuple[Column, ...] = (
    (">no.", "id"),
    ("state", "state"),
    ("said", "said"),
    ("about", "about"),
    ("by", "by"),
    ("when", "time_ms", when),
    ("reason", "reason"),
)
README = """# Answers

One row an answer, as `twinhelm feedback export` wrote them: `answers.parquet` and `answers.csv`
hold the same. Use them as labels: `right` says whether what was asserted was so.

| column | meaning |
| --- | --- |
| id | number of the answer |
| of | anomaly, grouping, suspect, action or forecast |
| about | what is answered: a reference into the records |
| right | true or false |
| reason | why, in the words of who answered |
| by | who answered |
| time | when, UTC |
| state | standing, or undone: leave those out when you learn |
| applied | whether it was in force when this was written |
| facts | what it looked like then, as JSON |

The facts of an anomaly: series; kin, its metric; way, up or down; size, in bars of its indicator;
surprise, its score from 0 to 1; lasted_s; hour, the half hour of the week (UTC, from Monday).
"""


@command(app.command("list"))
def listed(to: Asked, limit: Limit = 30) -> None:
    """List answers, the newest first, undone ones too."""
    found = to.reach().get("feedback", limit=limit)
    rows = [_row(each) for each in found]
    none = "Nobody has answered yet. The incident page has the buttons."
    to.answer(found, lambda: listing(rows, _COLUMNS, none))


@command(app.command())
def give(
    to: Asked,
    about: Annotated[str, typer.Argument(help=ABOUT, show_default=False)],
    said: Annotated[str, typer.Argument(help="right or wrong.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Call something right or wrong, and say what that changes."""
    if said not in ("right", "wrong"):
        raise typer.BadParameter(f"{said[:40]!r} is no answer; say right or wrong")
    body = {"about": about, "right": said == "right", "reason": reason}
    made = to.reach().post("feedback", body)
    to.answer(made, lambda: _show(made))


@command(app.command())
def undo(to: Asked, answer: Id) -> None:
    """Take an answer back: all is judged as if it had never been given."""
    made = to.reach().post(f"feedback/{answer}/undo")
    to.answer(made, f"Answer {answer} is undone; nothing of it is left.")


@command(app.command())
def lessons(to: Asked) -> None:
    """Tell what answers teach, what is in force, and how the rest does on history."""
    found = to.reach().get("feedback/lessons")

    def show() -> None:
        for title, part in (("In force", found["force"]), ("With all answers", found["shadow"])):
            heading(title)
            told = [each["text"] for each in (*part["needs"], *part["weights"])]
            for text in told or ["nothing yet"]:
                say(f"   {text}")
        heading("Back-test of what is in shadow")
        for each in found["trials"]:
            wrong = f"{each['wrong_before']} to {each['wrong_after']} of {each['wrong']} wrong"
            right = f"{each['right_before']} to {each['right_after']} of {each['right']} right"
            verdict = "passes" if each["passed"] else "does not pass"
            say(f"   {each['of']}: {wrong}, {right} would still be told; {verdict}")
        for each in found["differences"]:
            say(f"   {when(each['time_ms'])}  {each['text']}")

    to.answer(found, show)


@command(app.command())
def apply(
    to: Asked, kind: Annotated[str, typer.Argument(help="anomaly, grouping, suspect or forecast.")]
) -> None:
    """Put in force what the answers of one kind teach, without waiting."""
    made = to.reach().post("feedback/lessons", {"of": kind})
    to.answer(made, f"What was answered about {kind} is in force, as version {made['version']}.")


@command(app.command())
def export(
    to: Asked, folder: Annotated[Path, typer.Argument(help="An empty or new folder.")]
) -> None:
    """Write all answers as a labelled data set: Parquet, CSV and what the columns mean."""
    import duckdb

    from twinhelm.core import json

    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty", hint="give a folder that is empty or new")
    there = to.reach()
    found: list[dict[str, Any]] = []
    while page := there.get("feedback", limit=PAGE, offset=len(found)):
        found += page
    folder.mkdir(parents=True, exist_ok=True)
    names = ["id", "of", "about", "right", "reason", "by", "time_ms", "state", "applied"]
    rows = sorted(({**each["answer"], "state": each["state"]} for each in found), key=_number)
    lines = [[*(row[name] for name in names), json.dumps(row["facts"]).decode()] for row in rows]
    with duckdb.connect() as db:
        db.execute(
            'create table answers (id bigint, "of" varchar, about varchar, "right" boolean, '
            'reason varchar, "by" varchar, time timestamp_ms, state varchar, applied boolean, '
            "facts varchar)"
        )
        if lines:
            values = "?, ?, ?, ?, ?, ?, make_timestamp_ms(?), ?, ?, ?"
            db.executemany(f"insert into answers values ({values})", lines)  # noqa: S608 - as above
        table = db.table("answers")
        table.write_parquet(str(folder / "answers.parquet"))
        table.write_csv(str(folder / "answers.csv"))
    (folder / "README.md").write_text(README, encoding="utf-8")
    made = {"folder": str(folder.absolute()), "answers": len(lines)}
    to.answer(made, f"{len(lines)} answers are in {folder}.")


def _number(row: dict[str, Any]) -> int:
    return int(row["id"])


def _row(each: dict[str, Any]) -> dict[str, Any]:
    answer = each["answer"]
    return {**answer, "state": each["state"], "said": "right" if answer["right"] else "wrong"}


def _show(made: dict[str, Any]) -> None:
    answer = made["answer"]
    say(f"Answer {answer['id']}: {answer['about']} is {'right' if answer['right'] else 'wrong'}.")
    for text in made["changes"]:
        say(f"   {text}")
    if not answer["applied"] and answer["of"] != "action":
        say(
            "   It runs in shadow first; `twinhelm feedback lessons` shows what would change.",
            "dim",
        )
    say(f"   `twinhelm feedback undo {answer['id']}` takes it back.", "dim")
