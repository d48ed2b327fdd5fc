"""Repairs from an incident's sign to its end: what is loaded, asked, done and written when.

:mod:`.follow` hears of incidents, :mod:`.judging` matches and limits, :mod:`.proposals` writes down
what comes of it, :mod:`.desk` takes what people say, :mod:`.walk` does the steps and
:mod:`.marks` writes down how they went. :mod:`.books` holds the runbooks, :mod:`.standing` says how
they stand. What is judged stands in the room :mod:`twinhelm.aiops.automate`; how it rests, in
:mod:`.kept`.
"""
