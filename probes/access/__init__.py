"""Probes of Access files.

Facts are named tuples here: `checkup access` makes all these classes anew at each start, and of a named tuple
Python makes ten in the time of one data class.
"""
