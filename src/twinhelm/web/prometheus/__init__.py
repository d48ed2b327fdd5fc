"""Prometheus's own query API over our store, for plain selectors.

:mod:`asking` reads parameters, :mod:`selector` the query, :mod:`reading` answers it from the
store, :mod:`numbers` writes it as Prometheus would, :mod:`api` ties them to routes.
"""
