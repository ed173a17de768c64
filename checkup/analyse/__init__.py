"""From snapshots to an assessment. Pure: no socket, no clock, no store.

The way in is `assess.assess`. This module imports nothing, so that one probe can be judged without a plan.
"""
