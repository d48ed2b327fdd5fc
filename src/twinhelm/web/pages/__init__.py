"""The pages that people look at; :func:`pages_app` makes them one application."""

from twinhelm.web.pages.app import pages_app

__all__ = ["pages_app"]
