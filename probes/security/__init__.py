"""Probes of what keeps strangers out."""
