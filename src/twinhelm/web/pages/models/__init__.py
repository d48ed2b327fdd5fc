"""Pages of the models' wing: the portfolio, a product, a version, a comparison, the approvals.

:mod:`portfolio` lists; :mod:`product` heads one and hands over to its parts (:mod:`traffic`,
:mod:`making`, :mod:`health`, :mod:`evidence`); :mod:`version` opens one and lays two side by side
(:mod:`figures`); :mod:`approvals` decides, :mod:`past` tells what was live and who let it. All ask
the flows of ``house.models`` and keep nothing.
"""

from twinhelm.web.pages.models.approvals import approvals
from twinhelm.web.pages.models.past import past
from twinhelm.web.pages.models.portfolio import products
from twinhelm.web.pages.models.product import product
from twinhelm.web.pages.models.version import compare, version

__all__ = ["approvals", "compare", "past", "product", "products", "version"]
