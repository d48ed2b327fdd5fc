"""Governing: what can be shown of a product, and what cannot.

Everything here starts from named facts (:mod:`~twinhelm.mlops.govern.facts`), each read from one
record or journal row; what no source tells is *unknown* and stays so in the model card, the bill
of materials, the evidence pack and the readiness score. Values in, documents out.
"""

from twinhelm.mlops.govern.bom import bill
from twinhelm.mlops.govern.card import card
from twinhelm.mlops.govern.catalogue import Catalogue, Control, bundled, parse
from twinhelm.mlops.govern.facts import Fact, Sources, gather
from twinhelm.mlops.govern.lineage import Edge, Lineage, edges, mermaid
from twinhelm.mlops.govern.pack import Pack, pack
from twinhelm.mlops.govern.readiness import Readiness, Tested, score

__all__ = [
    "Catalogue", "Control", "Edge", "Fact", "Lineage", "Pack", "Readiness", "Sources", "Tested",
    "bill", "bundled", "card", "edges", "gather", "mermaid", "pack", "parse", "score",
]  # fmt: skip
