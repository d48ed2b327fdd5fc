"""From the journal to people: who hears of what, once, in order, whatever ends meanwhile.

:mod:`.hearing` follows the journal with a cursor of its own and writes a delivery for each message
and receiver, in one transaction with the cursor: what was heard is never heard again, and what was
not is heard after a restart. :mod:`.outbox` sends what is due. :mod:`.desk` is where people ask.

A crash between the receiver's taking a message and its being written down cannot be told from one
before it, so the message goes out again with the same id. PagerDuty, Alertmanager and receivers of
signed webhooks know it for the same; mail carries the same Message-ID; Slack has no such thing, and
the second message says that it may be one.
"""
