"""Commands of the models' wing: ``product ...`` frames and shows products, the rest is the road.

:mod:`products` has the group ``product``, :mod:`road` what takes a version from a build to its
traffic, and what is asked of it afterwards.
"""

from twinhelm.cli.models import products, road

__all__ = ["products", "road"]
