"""Runs a plan: sessions, deadlines, progress and the ledger; gives snapshots."""

from checkup.collect.run import Collected, Recorder, collect

__all__ = ["Collected", "Recorder", "collect"]
