"""The walk through the rooms of the AIOps wing, in order, holding no judgement of its own.

:mod:`intake` takes what a door decoded through clean into the store and hands it on;
:mod:`watch` walks what is new from detect to the records, every tick; :mod:`incidents` is the
desk where people ask and act; :mod:`history` brings the past in.
"""

__all__: list[str] = []
