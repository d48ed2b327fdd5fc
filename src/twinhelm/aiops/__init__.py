"""The AIOps wing: machines. Rooms in the order the data walks.

collect, clean, detect, correlate, diagnose, forecast, automate. Rooms take values and give
values and never import each other; :mod:`twinhelm.aiops.flow` walks them in order.
"""
