"""Probes of what only Windows has."""
