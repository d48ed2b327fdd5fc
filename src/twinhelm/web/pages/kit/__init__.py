"""What every page is built with.

:mod:`sheet` is what a page is given, and keeps its parts true; :mod:`frame` stands around it;
:mod:`html` is its vocabulary, :mod:`charts` draws what :mod:`drawing` prepares, and :mod:`deeds`
lets its reader act. Pages take nouns by name (``Node``, ``Column``) and verbs as ``html.table``.
"""
