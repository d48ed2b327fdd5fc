"""The guided tour as a page: the story of one fault, step by step, and the shop beside it.

It stays true by itself, shows what happens now and what comes next, and offers to go on sooner:
begin, repair, begin anew. What a person does here is checked against who they are at that moment.
"""

from twinhelm.web.pages.tour.page import tour, tour_card

__all__ = ["tour", "tour_card"]
