"""The register: which versions there are, what is in them, and who sealed it.

:mod:`scan` looks through files that nobody trusts, :mod:`seal` signs and verifies, :mod:`shelf`
keeps, :mod:`exported` lets an approved version travel. :mod:`builtin` registers twinhelm's own.
"""
