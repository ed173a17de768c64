"""The one error that leaves the store."""

from __future__ import annotations


class StoreError(Exception):
    """The store could not do what it was asked. The text is for people: what, where, what to do."""
