"""Probes that compare the machines of a site with each other."""
