"""The revisions of the schema, one per file, oldest first."""

__all__: list[str] = []
