"""What may be done about an incident, and how exactly? Runbooks, their limits, their actors.

In: an incident's facts and the runbooks that people wrote. Out: which of them fit, what each would
do to the letter, whether it may, and deeds by the actors of :mod:`.steps`. Rooms take values and
give values: when something runs, and what is kept of it, is the flow's business.
"""
