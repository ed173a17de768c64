"""Runs a plan: sessions, deadlines, progress and the ledger; gives snapshots.

The way in is `run.collect`. This module imports nothing, so that who looks at one Access file does not load
what runs a plan.
"""
