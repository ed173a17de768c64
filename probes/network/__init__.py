"""Probes of the network between workstations and servers, and of file sharing."""
