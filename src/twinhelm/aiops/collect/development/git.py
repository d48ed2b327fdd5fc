r"""Commits of a local history, as ``git log`` writes them.

In: the output of ``git log`` called with :data:`GIT_LOG` as its arguments, and the repository's
name; out: a change of type ``commit`` for each, which says where one takes another back. Names of
people stay, mail addresses do not. Pure.

>>> row = ["f00d", "2026-11-02T10:00:00Z", "Ann", "Revert x", "This reverts commit abc123."]
>>> decode_git("\x1f".join(row), "shop").changes[0].attributes["reverts"]
'abc123'
"""

import re

from twinhelm.aiops.collect.development.told import REVERTS, made
from twinhelm.aiops.collect.words import instant_ms
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput, TooLarge

__all__ = ["GIT_LOG", "decode_git"]

GIT_LOG = ("log", "--no-color", "--no-merges", "--format=%H%x1f%cI%x1f%an%x1f%s%x1f%b%x1e")
MAX_COMMITS = 50_000
_TAKES_BACK = re.compile(r"reverts commit ([0-9a-f]{6,64})")


def decode_git(text: str, repo: str) -> Received:
    """Decode the output; raises :class:`BadInput` for a row of another form."""
    rows = [row for row in text.split("\x1e") if row.strip()]
    if len(rows) > MAX_COMMITS:
        raise TooLarge(f"the history has {len(rows)} commits, the limit is {MAX_COMMITS}",
                       hint="shorten it with --since")  # fmt: skip
    if not repo:
        raise BadInput("the history names no repository", hint="send X-Suite")
    changes = []
    for number, row in enumerate(rows, 1):
        parts = row.strip("\n").split("\x1f")
        if len(parts) != 5 or not re.fullmatch("[0-9a-f]{4,64}", parts[0]):
            raise BadInput(f"commit {number} is not what git writes with our format")
        commit, moment, who, title, body = parts
        reverted = _TAKES_BACK.search(body)
        taken = reverted[1] if reverted else "yes" if REVERTS.match(title) else ""
        at = instant_ms(moment, what=f"time of commit {number}")
        change = made(f"git/commit/{repo}/{commit}", "ci", f"pipeline:{repo}", title, at,
                      type="commit", repo=repo, commit=commit, who=who, reverts=taken)  # fmt: skip
        changes.append(change)
    return Received(changes=tuple(changes))
