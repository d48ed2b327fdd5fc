"""One test report in JUnit's XML: how many tests ran, and which failed.

In: the XML of one run of one suite, what it is of and of which commit; out: one change of type
``tests`` that names what failed, a name a line. Two reports of the same commit that disagree are
how a flaky test shows. Pure.

The parser knows no entities and no document type at all, so nothing in a report can grow or reach
out; depth and the number of tests are bounded.

>>> xml = b'<testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>'
>>> decode_junit(xml, "shop", commit="f00", run="7", now_ms=5).changes[0].attributes["failed"]
'b'
"""

from typing import NoReturn
from xml.parsers.expat import ExpatError, ParserCreate

from twinhelm.aiops.collect.development.told import made
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput, TooLarge

__all__ = ["decode_junit"]

MAX_BYTES = 16 << 20
MAX_DEPTH = 16
MAX_TESTS = 100_000
MOST_NAMED = 50
LONGEST_NAME = 200


class _Report:
    """Adds up what the parser meets."""

    def __init__(self) -> None:
        self.tests = self.depth = 0
        self.seconds = 0.0
        self.failed: dict[str, None] = {}
        self._test = ""

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLarge(
                f"the report nests deeper than {MAX_DEPTH} elements", hint="is it JUnit?"
            )
        if self.depth == 1 and tag not in {"testsuites", "testsuite"}:
            raise BadInput(f"the report begins with <{tag[:40]}>", hint="send JUnit XML")
        if tag == "testcase":
            self.tests += 1
            if self.tests > MAX_TESTS:
                raise TooLarge(f"the report has more than {MAX_TESTS:,} tests", hint="split it")
            names = (attributes.get("classname", ""), attributes.get("name", ""))
            self._test = ".".join(filter(None, names))[:LONGEST_NAME]
            try:
                self.seconds += float(attributes.get("time") or 0)
            except ValueError:
                raise BadInput(f"the time of {self._test!r} is no number of seconds") from None
        elif tag in {"failure", "error"} and self._test:
            self.failed[self._test] = None

    def end(self, tag: str) -> None:
        self.depth -= 1
        if tag == "testcase":
            self._test = ""


def decode_junit(xml: bytes, suite: str, *, commit: str, run: str, now_ms: int) -> Received:
    """Decode one report; ``suite`` names what was tested, ``run`` tells one run from the next.

    Raises :class:`BadInput` with the line for what is no XML or declares a document type,
    :class:`TooLarge` past a limit.
    """
    if len(xml) > MAX_BYTES:
        raise TooLarge(f"the report has {len(xml)} bytes, the limit is {MAX_BYTES}")
    if not (suite and commit and run):
        hint = "send X-Suite, X-Commit and X-Run, or give --suite, --commit and --run"
        raise BadInput("the report does not say which suite, commit and run it is of", hint=hint)
    report, parser = _Report(), ParserCreate()

    def no_entities(*_: object) -> NoReturn:
        raise BadInput("the report declares a document type", hint="JUnit needs none; leave it out")

    parser.StartDoctypeDeclHandler = no_entities
    parser.EntityDeclHandler = no_entities
    parser.StartElementHandler, parser.EndElementHandler = report.begin, report.end
    try:
        parser.Parse(xml, True)
    except ExpatError as error:
        raise BadInput(f"the report is not XML: {error}") from error
    failed = list(report.failed)
    change = made(
        f"junit/{suite}/{commit}/{run}"[:1000],
        "ci",
        f"pipeline:{suite}"[:1000],
        f"{report.tests} tests of {suite}, {len(failed)} failed",
        now_ms - round(min(report.seconds, 86_400) * 1000),
        end_ms=now_ms,
        outcome="failure" if failed else "success",
        type="tests", repo=suite, run=run, commit=commit, tests=str(report.tests),
    )  # fmt: skip
    change.attributes["failed"] = "\n".join(failed[:MOST_NAMED])  # type: ignore[index]
    return Received(changes=(change,))
