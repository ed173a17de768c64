"""Probes of a machine: its disks, memory, clock, services and upkeep."""
