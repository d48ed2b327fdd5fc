"""How does a score look to people? One HTML page that needs nothing from outside.

In: the document of :mod:`.report`. Out: the page: what was reached in numbers, a bar per fault
(seconds until it was detected, coloured and *worded* by where its cause stood), and what was
false. Light and dark as the reader's system is; no script, no address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["NAMES", "number", "page", "placed"]

NAMES = {
    "detected": ("faults detected", "share"),
    "detect_s": ("median time to detect", "s"),
    "cause_first": ("true cause first", "share"),
    "cause_in_three": ("true cause in the first three", "share"),
    "incidents_per_fault": ("incidents per detected fault", ""),
    "wrong_blame": ("wrong blame", ""),
    "change_named": ("guilty change named", "share"),
    "over_s": ("median time until over, after the repair", "s"),
    "repaired": ("faults repaired and verified", "share"),
    "repair_s": ("median time to repair", "s"),
    "wrong_repairs": ("repairs that helped nothing", ""),
    "false_incidents": ("false incidents", ""),
    "quiet_hours": ("quiet time measured", "h"),
    "false_per_quiet_hour": ("false incidents per quiet hour", ""),
}
"""What each number of a summary is called, and its unit."""
_WIDEST_S = 75.0
_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--paper:#fff;--line:#d9dee5;--soft:#5b6675;
--good:#1a7f4b;--fair:#9a6700;--bad:#b3261e;--none:#9aa5b4}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--paper:#14181f;--line:#333b47;
--soft:#9aa5b4;--good:#4cc38a;--fair:#e2a336;--bad:#ff8a80;--none:#5b6675}}
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;
color:var(--ink);background:var(--paper)}
h1{font-size:20px}h2{font-size:16px;margin-top:2rem}p,li{max-width:80ch}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{padding:.3rem .6rem;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{display:inline-block;height:.7em;min-width:2px;margin-right:.5em;background:var(--none)}
.good{color:var(--good)}.fair{color:var(--fair)}.bad{color:var(--bad)}.soft{color:var(--soft)}
.bar.good{background:var(--good)}.bar.fair{background:var(--fair)}.bar.bad{background:var(--bad)}
.wide{overflow-x:auto}
"""


def page(score: Mapping[str, Any]) -> str:
    """Draw a score as HTML; whatever it says is escaped."""
    rows = [row for part in score["repeats"] for row in part["faults"]]
    parts = [
        "<h1>How twinhelm did in the lab</h1>",
        f"<p>{escape(_said(score))}</p>",
        "<h2>In numbers</h2>",
        _numbers(score),
        "<h2>Fault by fault</h2>",
        "<p class=soft>The bar is the time from the fault's start until its incident stood in the "
        "list.</p>",
        _faults(rows),
        "<h2>False incidents</h2>",
        _false([(part["repeat"], row) for part in score["repeats"] for row in part["false"]]),
        _missing(score["repeats"]),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Lab score</title><style>{_STYLE}</style></head><body><main>"
        f"{''.join(parts)}</main></body></html>"
    )


def number(name: str, value: float | None) -> str:
    """Write a number of a summary with its unit; a hyphen where there is none."""
    if value is None:
        return "-"
    unit = NAMES[name][1]
    if unit == "share":
        return f"{value:.0%}"
    return f"{value:.2f}".rstrip("0").rstrip(".") + (f" {unit}" if unit else "")


def placed(row: Mapping[str, Any]) -> tuple[str, str]:
    """Say how a fault went, in words and in a class: good, fair, bad."""
    if not row["blame"]:
        if not row["detected"]:
            return "rightly nobody blamed", "good"
        return f"{row['incidents']} raised, nothing was wrong", "bad"
    if not row["detected"]:
        return "missed", "bad"
    if row["rank"] == 1:
        return "cause first", "good"
    where = f"cause at place {row['rank']}" if row["rank"] else "cause not named"
    wrong = ", another was blamed" if row["wrong_blame"] else ""
    return where + wrong, "bad" if row["wrong_blame"] or not row["rank"] else "fair"


def _said(score: Mapping[str, Any]) -> str:
    parts, summary = score["repeats"], score["summary"]
    times = "once" if len(parts) == 1 else f"{len(parts)} times"
    whole = "" if score["complete"] else " It was cut short: what is here is what was measured."
    shares = ", ".join(f"{part['busy']:.0%}" for part in parts if part["busy"] is not None)
    busy = f", which were {shares} busy while all was quiet" if shares else ""
    return (
        f"{summary['faults']} faults, run {times}, one at a time in random order (seed "
        f"{score['seed']}), with {summary['quiet_hours'] * 60:.0f} quiet minutes between and "
        f"around them, on {score['machine']['cores']} cores{busy}.{whole}"
    )


def _numbers(score: Mapping[str, Any]) -> str:
    several = len(score["repeats"]) > 1
    head = '<th scope="col">number</th><th scope="col" class="n">all</th>'
    if several:
        head += "".join(
            f'<th scope="col" class="n">repeat {part["repeat"]}</th>' for part in score["repeats"]
        )
    head += '<th scope="col">floor</th>'
    body = []
    for name, (told, _) in NAMES.items():
        cells = [score["summary"], *(part["summary"] for part in score["repeats"] if several)]
        numbers = "".join(f'<td class="n">{number(name, each[name])}</td>' for each in cells)
        held = score["summary"]["floors"].get(name)
        floor = score["floors"].get(name, "")
        word = {True: ("good", "held"), False: ("bad", "missed")}.get(held, ("soft", ""))
        told_floor = f'{floor} <span class="{word[0]}">{word[1]}</span>' if floor else ""
        body.append(f"<tr><td>{told}</td>{numbers}<td>{told_floor}</td></tr>")
    return _table(head, body)


def _faults(rows: Iterable[Mapping[str, Any]]) -> str:
    head = "".join(
        f'<th scope="col"{side}>{name}</th>'
        for name, side in (
            ("fault", ""),
            ("detected after", ""),
            ("how it went", ""),
            ("incidents", ' class="n"'),
            ("true cause", ""),
            ("suspects, first to last", ""),
        )
    )
    ordered = sorted(rows, key=lambda row: (row["fault"], row["repeat"]))
    return _table(head, [_fault(row) for row in ordered])


def _fault(row: Mapping[str, Any]) -> str:
    told, kind = placed(row)
    taken = row["detect_s"]
    width = 9.0 * min(taken or 0.0, _WIDEST_S) / _WIDEST_S
    bar = f'<span class="bar {kind}" style="width:{width:.2f}em"></span>' if row["detected"] else ""
    seconds = f"{taken:.0f} s" if taken is not None else "-"
    doubt = (
        "" if row["shown"] is not False else ' <span class="soft">(its symptom did not show)</span>'
    )
    suspects = ", ".join(escape(each) for each in row["suspects"]) or "-"
    return (
        f'<tr><td>{escape(row["fault"])}<br><span class="soft">{escape(row["title"])}</span></td>'
        f'<td class="n" style="text-align:left">{bar}{seconds}</td>'
        f'<td><span class="{kind}">{told}</span>{doubt}</td><td class="n">{row["incidents"]}</td>'
        f"<td>{escape(row['cause']) if row['blame'] else 'nobody'}</td><td>{suspects}</td></tr>"
    )


def _false(rows: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    if not rows:
        return "<p>None.</p>"
    listed = (f"<li>{escape(row['title'])} (repeat {repeat})</li>" for repeat, row in rows)
    return f"<ul>{''.join(listed)}</ul>"


def _missing(parts: Iterable[Mapping[str, Any]]) -> str:
    listed = [
        f"<li>{escape(name)} (repeat {part['repeat']}): {escape(why)}</li>"
        for part in parts
        for name, why in (
            *part["failed"].items(),
            *((name, "there was no time for it") for name in part["left_out"]),
        )
    ]
    return f"<h2>Not measured</h2><ul>{''.join(listed)}</ul>" if listed else ""


def _table(head: str, body: Iterable[str]) -> str:
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
