"""Tell how bad a log record says it is.

In comes the word a logger wrote (``WARN``, ``err``, ``I``), out goes the OpenTelemetry severity
number: 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal, 0 unknown. Pure.

Source: OpenTelemetry logs data model, "Severity Fields" and its appendix of example mappings.

>>> severity_of("Warning"), severity_of("ERROR2"), severity_of("purple")
(13, 18, 0)
"""

from __future__ import annotations

__all__ = ["severity_of"]

WORDS = {
    **dict.fromkeys(("trace", "trc", "finest", "verbose", "t"), 1),
    **dict.fromkeys(("debug", "dbug", "dbg", "fine", "d"), 5),
    **dict.fromkeys(("info", "information", "informational", "inf", "i"), 9),
    "notice": 10,
    **dict.fromkeys(("warn", "warning", "wrn", "w"), 13),
    **dict.fromkeys(("error", "err", "eror", "e"), 17),
    **dict.fromkeys(("critical", "crit", "severe", "dpanic"), 18),
    "alert": 19,
    **dict.fromkeys(("fatal", "emergency", "emerg", "panic", "f"), 21),
    **{
        f"{word}{step}": base + step - 1
        for word, base in (
            ("trace", 1),
            ("debug", 5),
            ("info", 9),
            ("warn", 13),
            ("error", 17),
            ("fatal", 21),
        )
        for step in (2, 3, 4)
    },
}


def severity_of(word: str) -> int:
    """Return the severity number of a level word, in any case; 0 for one that says nothing."""
    return WORDS.get(word.strip().lower(), 0)
