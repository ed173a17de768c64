"""From snapshots to an assessment. Pure: no socket, no clock, no store."""

from checkup.analyse.assess import Evidence, assess, metric_history

__all__ = ["Evidence", "assess", "metric_history"]
