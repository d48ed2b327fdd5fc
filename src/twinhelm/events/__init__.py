"""What happened and who did it: the journal, the kinds of event, identities, workflows.

Everything here works through :class:`twinhelm.core.ports.Records` and the clock; nothing here
knows which database is below, or which room's event it writes down.
"""
