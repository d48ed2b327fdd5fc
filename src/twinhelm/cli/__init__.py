"""The command line: ``twinhelm up`` and its kin.

One module per group of commands; each command takes ``--json``. Commands that ask about a
running server speak HTTP to it like anybody else.
"""

from twinhelm.cli.main import main

__all__ = ["main"]
