"""Probes of Access files."""
