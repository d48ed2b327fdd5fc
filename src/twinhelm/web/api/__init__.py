"""twinhelm's own API, under ``/api/twinhelm/v1``: what the pages, the commands and scripts ask.

:mod:`app` puts it together, :mod:`models` says what the answers look like, the rest are the
routes by noun. Times are epoch ms; a missing number is null; an error is ``{"error", "hint"}``.
"""

__all__: list[str] = []
