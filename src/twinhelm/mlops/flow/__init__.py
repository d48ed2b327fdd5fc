"""The flows of the MLOps wing: they walk its rooms in order, load before, save and tell after."""

__all__: list[str] = []
