"""What should be automated next, machines or processes? Both wings' records are read for toil.

:mod:`.flow` gathers what happened and keeps what is said of it; :mod:`.find` holds a room for each
source of toil; :mod:`.draft` writes the runbook, rule or schedule to begin with and tries it on the
past; :mod:`.rank` makes claims of it. Nothing here changes a system.
"""
