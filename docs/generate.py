"""Writes the reference pages from the tables that the program itself obeys.

    python docs/generate.py            write docs/settings.md, events.md, commands.md, routes.md,
                                       product-file.md
    python docs/generate.py --check    say which of them are not what they should be

Nothing on those pages is written by hand; ``tests/house/test_docs.py`` fails when one is stale.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from inspect import formatannotation
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from typer import Context
from typer.core import TyperGroup

from twinhelm.core import json
from twinhelm.core.settings import Settings
from twinhelm.events.kinds import EVENT_KINDS
from twinhelm.mlops.frame.sense import LABELLED, UNLABELLED
from twinhelm.mlops.types import Spec
from twinhelm.stats.metrics import METRICS
from twinhelm.web.routes import ROUTES, Route

__all__ = ["PAGES", "commands", "events", "product_file", "routes", "settings", "stale"]

DOCS = Path(__file__).parent
HEAD = "<!-- Written by docs/generate.py; `make docs` writes it anew. -->\n"


SECRETS = """
## Secrets

Documents and settings name a secret and never hold one: runbooks (`headers`, `environment`),
`notify.toml` (`secret`) and back-fills write `secret:NAME`; `database` in a step of a runbook is a
name alone. Its value is the variable `TWINHELM_SECRET_NAME` (in capitals, `-` and `.` as `_`), else
one line in the file `secrets/NAME` of the data directory, which only its owner may read
(`chmod 600`). It is read when it is used and written nowhere: no journal, log, page or backup
holds one.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table; bars and line ends inside a cell are made harmless."""
    lines = [list(head)]
    lines.append(["---"] * len(lines[0]))
    lines += [list(row) for row in rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def settings() -> str:
    """Write the page of every setting: name, environment variable, default, meaning."""
    parts = [
        HEAD,
        "# Settings\n\n",
        "Weakest first: the defaults below, the file `twinhelm.toml` in the data directory (or the "
        "file that `TWINHELM_CONFIG` names), the environment, flags on the command line. "
        "`twinhelm config` prints what holds and where each value came from. A name that is not "
        "on this page is refused, so a typing mistake is heard of.\n\n",
        'In the file, a section is a table: `[server]`, then `listen = "127.0.0.1:9700"`. Lists '
        "in the environment are JSON: `'[\"watch.example.org\"]'`.\n",
    ]
    plain: list[tuple[str, ...]] = []
    for name, info in Settings.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            rows = [_setting(f"{name}.", *item) for item in section.model_fields.items()]
            parts.append(f"\n## {name}\n\n{(section.__doc__ or '').strip()}\n\n")
            parts.append(table(("setting", "environment", "default", "meaning"), rows))
        else:
            plain.append(_setting("", name, info))
    parts.insert(4, "\n" + table(("setting", "environment", "default", "meaning"), plain))
    return "".join([*parts, SECRETS])


def _setting(prefix: str, name: str, info: FieldInfo) -> tuple[str, ...]:
    variable = f"TWINHELM_{prefix.replace('.', '__')}{name}".upper()
    default = info.get_default(call_default_factory=True)
    shown = json.dumps(str(default) if isinstance(default, Path | SecretStr) else default).decode()
    return f"`{prefix}{name}`", f"`{variable}`", f"`{shown}`", info.description or ""


def product_file() -> str:
    """Write the page of every table and key of a product file: meaning, default, limits."""
    schema = Spec.model_json_schema()
    parts = [
        HEAD,
        "# The product file\n\n",
        "A product is declared in `product.toml`, in its makers' own repository. `twinhelm product "
        "new` asks what is needed and writes one, `twinhelm product check` names everything that "
        "is wrong by line and column, `twinhelm product frame` takes it; the examples in "
        "[examples](../examples) are whole. A key that is not on this page is refused, and so are "
        "sentences that contradict each other.\n\n"
        "Shares and ratios lie in 0 to 1; paths are relative to the folder of the file. Tables "
        "with two brackets may be repeated.\n",
    ]
    for name, one in schema["properties"].items():
        inner = one.get("items", one)["$ref"].rpartition("/")[2]
        _tell_table(name, schema["$defs"][inner], schema["$defs"], parts, many="items" in one)
    parts.append("\n## Metrics that a gate may name\n\n")
    metrics = {
        task: ", ".join(f"`{name}`" for name, one in METRICS.items() if one.task == task)
        for task in ("classification", "regression")
    }
    metrics["either, without right answers"] = ", ".join(f"`{name}`" for name in UNLABELLED)
    metrics["either, with a target"] = ", ".join(f"`{name}`" for name in LABELLED)
    parts.append(table(("task", "metrics"), metrics.items()))
    return "".join(parts)


def _tell_table(
    name: str,
    table_of: Mapping[str, Any],
    known: Mapping[str, Any],
    parts: list[str],
    *,
    many: bool,
) -> None:
    """Tell one table, and after it the tables that it may hold."""
    title = f"[[{name}]]" if many else f"[{name}]"
    parts.append(f"\n## `{title}`\n\n{_dedented(table_of['description'])}\n\n")
    rows, inner = [], []
    needed = table_of.get("required", ())
    for key, one in table_of["properties"].items():
        ref = one.get("items", {}).get("$ref", "").rpartition("/")[2]
        if "properties" in known.get(ref, {}):
            inner.append((f"{name}.{key}", known[ref]))
        usual = one.get("default")
        shown = "" if usual in (None, "", [], {}) else f"`{json.dumps(usual).decode()}`"
        shown = "needed" if key in needed else shown
        rows.append((f"`{key}`", _kind(one, known), shown, _dedented(one.get("description", ""))))
    parts.append(table(("key", "what it may be", "default", "meaning"), rows))
    for path, each in inner:
        _tell_table(path, each, known, parts, many=True)


def _kind(one: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Say in words what a value may be."""
    if ref := one.get("$ref"):
        return _kind(known[ref.rpartition("/")[2]], known)
    if choices := one.get("anyOf"):
        return " or ".join(_kind(each, known) for each in choices if each.get("type") != "null")
    if values := one.get("enum"):
        return ", ".join(f"`{each}`" for each in values if each != "")
    if "const" in one:
        return f"`{one['const']}`"
    match one.get("type"):
        case "array":
            items = one["items"]
            table_of = "properties" in known.get(items.get("$ref", "").rpartition("/")[2], {})
            return "tables" if table_of else f"a list: {_kind(items, known)}".rstrip(": ")
        case "object":
            values = one.get("additionalProperties")
            lists = isinstance(values, dict) and "items" in values
            return "a table of lists" if lists else "a table"
        case "string" if "pattern" in one:
            return f"a text like `{one['pattern']}`"
        case "string":
            most = f", at most {one['maxLength']:,} characters" if "maxLength" in one else ""
            return f"a text{most}"
        case "boolean":
            return "true or false"
        case "number" | "integer" as kind:
            limits = {
                "minimum": "at least", "exclusiveMinimum": "above",
                "maximum": "at most", "exclusiveMaximum": "below",
            }  # fmt: skip
            told = [f"{word} {one[key]:g}" for key, word in limits.items() if key in one]
            return ", ".join(["a whole number" if kind == "integer" else "a number", *told])
        case _:
            return "anything"


def events() -> str:
    """Write the page of every kind of event that the journal may hold."""
    parts = [
        HEAD,
        "# Events\n\n",
        "Whatever happened or was decided is one row of the journal: sequence number, time, actor, "
        "kind, subject, body, the hash of the row before, and its own hash. A row is written in "
        "the transaction of the change it tells of. `twinhelm journal` reads them and `twinhelm "
        "journal verify` walks the chain.\n",
    ]
    for kind in EVENT_KINDS.values():
        parts.append(f"\n## `{kind.kind}`\n\n{_dedented(kind.__doc__ or '')}\n\n")
        parts.append(f"Subject: `{kind.about}`.\n\n")
        fields = [
            (f"`{field.name}`", f"`{formatannotation(field.type)}`")
            for field in dataclasses.fields(kind)
        ]
        parts.append(table(("field", "type"), fields) if fields else "It has no fields.\n")
    return "".join(parts)


def _dedented(text: str) -> str:
    """Turn a docstring into Markdown: one kind of backtick, no roles, no indentation."""
    plain = re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    return "\n".join(line.strip() for line in plain.strip().splitlines())


def routes() -> str:
    """Write the page of every route: method, path, the right it needs, what it is for."""
    parts = [
        HEAD,
        "# Routes\n\n",
        "The table that the server itself obeys: a request that stands in no row is answered 404. "
        "*Right* is what the asker's roles must grant; on loopback, doors (`ingest`) and reading "
        "need no token unless `auth.required` is set. *State* marks what changes state that "
        "belongs to people: it takes a token, or a signed-in browser that sends its form token.\n",
    ]
    groups: dict[str, dict[tuple[str, str], list[Route]]] = {}
    for route in ROUTES:
        group = groups.setdefault(_group(route), {})
        group.setdefault((route.path, route.summary), []).append(route)
    for name, group in groups.items():
        rows = [
            (
                ", ".join(each.method for each in same),
                f"`{route.path}`",
                route.right.value if route.right else "none",
                "yes" if route.changes and not route.door else "",
                route.summary,
            )
            for same in group.values()
            for route in same[:1]
        ]
        parts.append(f"\n## {name}\n\n")
        parts.append(table(("method", "path", "right", "state", "what for"), rows))
    return "".join(parts)


def _group(route: Route) -> str:
    if route.door:
        return "Doors in"
    for prefix, name in (
        ("/api/twinhelm/", "twinhelm's own API"),
        ("/api/v1/", "Prometheus query API"),
        ("/-/", "Health and sign-in"),
        ("/metrics", "Health and sign-in"),
        ("/sign", "Health and sign-in"),
    ):
        if route.path.startswith(prefix):
            return name
    return "Pages"


def commands() -> str:
    """Write the page of every command with its arguments and options."""
    from twinhelm.cli.main import app  # brings the whole house with it; the other pages need less

    root = typer.main.get_command(app)
    parts = [
        HEAD,
        "# Commands\n\n",
        "Every command has `--help`. Exit status: 0 it worked, 1 it was refused or is unavailable "
        "(the reason and what to try are on standard error), 2 the command line is not "
        "understood.\n",
    ]
    _describe(root, Context(root, info_name="twinhelm"), parts)
    return "".join(parts)


def _describe(command: Any, context: Context, parts: list[str]) -> None:
    if context.parent is not None:
        parts.append(f"\n## `{context.command_path}`\n\n{_dedented(command.help or '')}\n")
        usage = " ".join(command.collect_usage_pieces(context))
        parts.append(f"\n    {context.command_path} {usage}\n")
    rows = [_parameter(each) for each in command.params if each.name != "help"]
    if rows:
        parts.append("\n" + table(("argument or option", "default", "meaning"), rows))
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                _describe(inner, Context(inner, info_name=name, parent=context), parts)


def _parameter(each: Any) -> tuple[str, str, str]:
    default = "" if each.default in (None, False) or callable(each.default) else f"{each.default}"
    names = ", ".join(f"`{name}`" for name in (*each.opts, *each.secondary_opts))
    return names, f"`{default}`" if default else "", getattr(each, "help", None) or ""


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "events.md": events,
    "commands.md": commands,
    "routes.md": routes,
    "product-file.md": product_file,
}


def stale() -> list[str]:
    """Name the pages whose text is not what it should be."""
    return [
        name
        for name, page in PAGES.items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text(encoding="utf-8") != page()
    ]


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(f"stale: {', '.join(stale())}; run `make docs`" if stale() else 0)
    for file_name, make in PAGES.items():
        (DOCS / file_name).write_text(make(), encoding="utf-8")
