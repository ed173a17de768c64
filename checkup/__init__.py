"""Contractual check-ups of clinical-database sites."""

__version__ = "0.1.0"
