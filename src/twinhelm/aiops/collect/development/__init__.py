"""What development tells: CI runs, pushes and deploys, test reports, commits, and work by hand.

Each module reads one sender's form; all give changes, as :mod:`.told` writes them: kind ``deploy``
for what went out, ``ci`` for the rest of CI (attribute ``type``: run, job, push, tests, commit),
``other`` for what people did by hand (command, ticket).
"""

from twinhelm.aiops.collect.development.chores import decode_chores
from twinhelm.aiops.collect.development.git import GIT_LOG, decode_git
from twinhelm.aiops.collect.development.hooks import decode_hook
from twinhelm.aiops.collect.development.junit import decode_junit

__all__ = ["GIT_LOG", "decode_chores", "decode_git", "decode_hook", "decode_junit"]
