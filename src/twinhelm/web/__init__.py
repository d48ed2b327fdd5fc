"""Everything that is reached over HTTP: telemetry doors, query API, our own API, sign-in, pages.

:mod:`server` serves, :mod:`site` puts together, :mod:`guard` lets in, :mod:`routes` lists.
"""

from importlib.metadata import version

__all__ = ["VERSION"]

VERSION = version("twinhelm")
