"""twinhelm's own API, under ``/api/twinhelm/v1``: what the pages, the commands and scripts ask.

:mod:`app` puts it together, :mod:`words` says what may be asked and how values become JSON, the
rest are the routes by noun. Times are epoch ms; an error is ``{"error", "hint"}``.
"""
