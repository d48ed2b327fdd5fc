"""Deploy: models that answer, each version in processes of its own, behind one table of who does.

:class:`Serving` keeps the processes and the table; ``worker`` is what runs in them. In: sealed
model folders (somebody verified them) and a :class:`~twinhelm.mlops.types.Deployment`; out:
answers in the caller's protocol, measures, and what was asked and answered, to the prediction
log. ``batch``, which answers whole files, leans on workflows and is imported by itself.
"""

from twinhelm.mlops.deploy.measures import Tally
from twinhelm.mlops.deploy.pool import Reply
from twinhelm.mlops.deploy.scorer import open_scorer
from twinhelm.mlops.deploy.seeds import Limits, Seeds
from twinhelm.mlops.deploy.serving import Serving
from twinhelm.mlops.deploy.worker.frames import Form
from twinhelm.mlops.deploy.worker.tensors import bind, unbind
from twinhelm.mlops.deploy.worker.typed import datatype_of

__all__ = [
    "Form", "Limits", "Reply", "Seeds", "Serving", "Tally", "bind", "datatype_of", "open_scorer",
    "unbind",
]  # fmt: skip
