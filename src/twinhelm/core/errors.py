"""What can go wrong, named by cause, and whether asking again helps.

Two families: :class:`Refused` and :class:`Unavailable`. A message says what, where and which
values, a ``hint`` what to try; the HTTP doors map ``status`` straight to the response.
"""

__all__ = [
    "BadInput", "Conflict", "DatabaseDown", "Denied", "NewerFormat", "NotFound", "Overloaded",
    "Refused", "StoreFull", "TooLarge", "TwinhelmError", "Unauthenticated", "Unavailable",
    "Unsupported",
]  # fmt: skip


class TwinhelmError(Exception):
    """The root: ``message`` for the reader, ``hint`` for what to try, ``status`` for HTTP."""

    status = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class Refused(TwinhelmError):
    """Asking again is useless: the request, the rights or the state must change first."""

    status = 400


class BadInput(Refused):
    """The input does not mean anything valid; the message says where."""


class TooLarge(Refused):
    """A limit on size, count, depth or range was passed; the message names limit and value."""

    status = 413


class Unsupported(Refused):
    """A content type, encoding or protocol feature that this door does not take."""

    status = 415


class NotFound(Refused):
    """Nothing stands under that name."""

    status = 404


class Conflict(Refused):
    """The state moved on, or the thing exists already."""

    status = 409


class Unauthenticated(Refused):
    """Nobody is signed in and the route needs somebody."""

    status = 401


class Denied(Refused):
    """Somebody is signed in, but a role or policy says no; the message names which."""

    status = 403


class NewerFormat(Refused):
    """A file on disk was written by a newer release; nothing was changed."""


class Unavailable(TwinhelmError):
    """The same request may succeed later; ``retry_after_s`` says when to try."""

    status = 503

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float = 5.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class StoreFull(Unavailable):
    """The disk under the store is full; reading goes on, writing resumes when there is room."""


class DatabaseDown(Unavailable):
    """The SQL database does not answer; nothing was half-written."""


class Overloaded(Unavailable):
    """Too much at once for the rate or memory limits."""

    status = 429
