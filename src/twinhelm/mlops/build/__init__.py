"""Building: which data, code and environment make a version, so that it can be made again.

:mod:`.data` reads data and names its version by its content, :mod:`.contract` holds it against
the product's contract, :mod:`.environment` says in what code and packages a recipe runs,
:mod:`.recipe` runs it in processes of its own, :mod:`.tracked` finds what it logged.
"""
