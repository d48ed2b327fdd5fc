"""Repairs from an incident's sign to its end: what is loaded, asked, done and written when.

:mod:`.follow` hears of incidents, :mod:`.proposals` matches and limits, :mod:`.desk` takes what
people say, :mod:`.walk` does the steps, :mod:`.books` holds the runbooks. What is judged stands in
the room :mod:`twinhelm.aiops.automate`; how it rests, in :mod:`.kept`.
"""
