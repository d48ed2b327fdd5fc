"""The composition root: every part is made in :mod:`.house`, by hand, and handed to its users.

Nothing above this storey makes a store, nothing below it knows of a server.
"""

from twinhelm.app.drive import Moved
from twinhelm.app.house import VERSION, House, open_house, open_ledger
from twinhelm.app.kernels import compile_kernels
from twinhelm.app.restore import restore_backup

__all__ = [
    "VERSION", "House", "Moved", "compile_kernels", "open_house", "open_ledger", "restore_backup",
]  # fmt: skip
