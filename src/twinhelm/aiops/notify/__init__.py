"""Says who must hear of something, and in which words.

In: a :class:`~.document.Plan` (``notify.toml``), rows of the journal and what they speak of. Out:
who is on call (:mod:`.rota`), where a message goes (:mod:`.routing`), what it says
(:mod:`.messages`), what a channel of a kind is sent (:mod:`.channels`), and how good the alerts
were (:mod:`.quality`). Only :mod:`.channels.wire` touches the world. Nothing that came from outside
is markup in any channel.
"""
