"""The walk through the rooms of the MLOps wing, in order, holding no judgement of its own.

:mod:`products` frames, :mod:`builds` makes versions, :mod:`registering` takes and opens them,
:mod:`validations` measures them, :mod:`promotions` lets them in, :mod:`rollouts` moves traffic to
them, :mod:`health` watches them, :mod:`retrains` begins again, :mod:`evidence` tells of it all.
Flows load before, save and record events after.
"""

__all__: list[str] = []
