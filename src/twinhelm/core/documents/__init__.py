"""Documents that people write in TOML: read whole, or all that is wrong told by line and column.

A product file and a runbook are such documents. Their words are pydantic models of the wings;
:func:`read_document` checks a text against one, and :class:`Places` knows where each key stands.
"""

from twinhelm.core.documents.places import Path, Places
from twinhelm.core.documents.read import Part, Wrong, read_document
from twinhelm.core.documents.write import table, written

__all__ = ["Part", "Path", "Places", "Wrong", "read_document", "table", "written"]
