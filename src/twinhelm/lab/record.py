"""What a recording is on disk: writes one case of it, and says what an existing one holds.

    cases.csv      a row per case: case_id, inject_time, end_time, root_cause_service and so on
    topology.csv   source, target: who calls whom, as the recorded spans tell
    normal/        telemetry without a fault, the same four files as a case
    cases/ID/      metrics.parquet  timestamp, service, instance, metric, value, labels (JSON text)
                   logs.parquet     timestamp, service, instance, level, message, trace_id, span_id
                   traces.parquet   timestamp, trace_id, span_id, parent_id, service, instance,
                                    operation, duration_us, status, kind, attributes (JSON text)
                   changes.parquet  timestamp, kind, service, title, body (the event as it was sent)

Times are UTC epoch seconds. The agent holds tables of these names and calls :func:`write_case`;
columns that it has beside these are written too. A column ``resource`` (JSON text) of logs and
traces carries the resource's attributes, so that a replay names the same things. ``labels`` of a
metric are all that the backend was sent, and a counter's name ends in ``_total``, ``_sum``,
``_count`` or ``_bucket``, since a replay has no other way to tell. A change of kind ``lineage``
is an OpenLineage event, every other one a CloudEvent.

The layout is that of the public sets of root-cause analysis, which :class:`Recording` reads as
well: there files, columns and the end of a case may be missing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb

from twinhelm.lab.words import LabError, Truth

__all__ = [
    "KINDS",
    "SHIPPED",
    "Case",
    "Recording",
    "add_case",
    "quoted",
    "write_case",
    "write_topology",
]

KINDS = ("metrics", "logs", "traces", "changes")
"""Tables of the agent, and files of a case."""
SHIPPED = Path(__file__).parent / "recording"
"""The recording that comes with the package: four minutes in which the cache dies."""
_FIELDS = (
    "case_id", "inject_time", "end_time", "root_cause_service", "root_cause_metric", "fault_type",
    "indicator", "also", "change", "blame", "note",
)  # fmt: skip
_NEWEST = {"traces": "timestamp + duration_us / 1e6"}
"""When a row is there to be sent: a span at its end."""
_CALLS = """
SELECT DISTINCT caller.service AS source, called.service AS target
FROM spans AS called JOIN spans AS caller
  ON called.trace_id = caller.trace_id AND called.parent_id = caller.span_id
WHERE caller.service <> called.service AND called.kind IS DISTINCT FROM 'consumer'
UNION
SELECT DISTINCT service, name FROM (
    SELECT service, coalesce(
        json_extract_string(attributes, '$."db.namespace"'),
        json_extract_string(attributes, '$."db.name"'),
        json_extract_string(attributes, '$."messaging.destination.name"')) AS name
    FROM spans)
WHERE name IS NOT NULL
ORDER BY source, target"""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault of a recording: when it was, and the truth about it.

    Faults that were at once have one ``case_id``. ``end_s`` is None where nobody wrote down when
    it ended. ``metric`` shows the cause best.
    """

    case_id: str
    fault: str
    start_s: float
    end_s: float | None
    truth: Truth
    metric: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """A folder in the layout of the module, and the cases that its ``cases.csv`` lists."""

    folder: Path
    cases: tuple[Case, ...]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the list of cases; raises :class:`LabError` where the folder is no recording."""
        hint = "a recording is a folder with cases.csv and cases/, as `twinhelm lab record` makes"
        try:
            with (folder / "cases.csv").open(newline="", encoding="utf-8") as file:
                cases = tuple(_case_of(row) for row in csv.DictReader(file))
        except OSError as error:
            said = f"{folder} is no recording: its cases.csv cannot be read, {error.strerror}"
            raise LabError(said, hint=hint) from error
        except (ValueError, KeyError) as error:
            said = f"cases.csv of {folder} is not understood: {error}"
            raise LabError(said, hint=hint) from error
        return cls(folder, cases)

    def of(self, case_id: str) -> list[Case]:
        """List the faults of one case, which are several where they were at once.

        Raises :class:`LabError` with the names there are.
        """
        found = [case for case in self.cases if case.case_id == case_id]
        if not found:
            names = list(dict.fromkeys(case.case_id for case in self.cases))
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            hint = f"it has {', '.join(names[:8])}{more}"
            raise LabError(f"{self.folder} has no case {case_id!r}", hint=hint)
        return found

    def files(self, kind: str, case_id: str = "") -> list[Path]:
        """List the Parquet files of one kind: of one case, or of everything there is."""
        if case_id:
            found = [self.folder / "cases" / case_id / f"{kind}.parquet"]
        else:
            found = sorted(self.folder.glob(f"normal/*{kind}.parquet"))
            found += sorted(self.folder.glob(f"cases/*/{kind}.parquet"))
        return [file for file in found if file.is_file()]


def write_case(
    cursor: duckdb.DuckDBPyConnection, folder: Path, start_s: float, end_s: float
) -> dict[str, int]:
    """Write what the agent's tables hold from ``start_s`` up to ``end_s`` into a case's folder.

    Returns rows by kind. A span belongs to the moment at which it ended. Raises
    :class:`LabError` where the folder cannot be written.
    """
    rows: dict[str, int] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            when = _NEWEST.get(kind, "timestamp")
            (found,) = cursor.execute(
                f"COPY (SELECT * FROM {kind} WHERE {when} >= {start_s!r} AND {when} < {end_s!r} "  # noqa: S608 - numbers and our own names
                f"ORDER BY {when}) TO {quoted(folder / f'{kind}.parquet')} "
                "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 9, ROW_GROUP_SIZE 30720)"
            ).fetchall()
            rows[kind] = found[0]
    except (OSError, duckdb.Error) as error:
        raise LabError(f"the case cannot be written to {folder}: {error}") from error
    return rows


def add_case(folder: Path, case: Case) -> None:
    """Add a row to ``cases.csv``, and the file where it is not there yet."""
    file, truth = folder / "cases.csv", case.truth
    row = (
        *(case.case_id, case.start_s, "" if case.end_s is None else case.end_s),
        *(truth.service, case.metric, case.fault, truth.indicator, " ".join(truth.also)),
        *(truth.change, str(truth.blame).lower(), case.note),
    )
    begun = file.exists()
    with file.open("a", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerows([row] if begun else [_FIELDS, row])


def write_topology(recording: Recording) -> None:
    """Write ``topology.csv`` from all recorded spans; without any, it holds no edge."""
    files = recording.files("traces")
    calls: Iterable[tuple[str, str]] = ()
    if files:
        with duckdb.connect() as database:
            listed = ", ".join(quoted(file) for file in files)
            database.execute(
                f"CREATE VIEW spans AS FROM read_parquet([{listed}], union_by_name => true)"
            )
            calls = database.execute(_CALLS).fetchall()
    with (recording.folder / "topology.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("source", "target"), *calls])


def _case_of(row: dict[str, str]) -> Case:
    truth = Truth(
        row.get("root_cause_service") or row.get("first_failing_service", ""),
        also=tuple((row.get("also") or "").split()),
        indicator=row.get("indicator") or "",
        change=row.get("change") or "",
        blame=row.get("blame") != "false",
    )
    return Case(
        case_id=row["case_id"],
        fault=row.get("fault_type") or row["case_id"],
        start_s=float(row.get("inject_time") or row["alert_time"]),
        end_s=float(row["end_time"]) if row.get("end_time") else None,
        truth=truth,
        metric=row.get("root_cause_metric") or "",
        note=row.get("note") or row.get("notes") or "",
    )


def quoted(path: Path) -> str:
    """Write a path as a text of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
