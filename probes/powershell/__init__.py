"""The fixed part of every Windows batch: boot.ps1 runs the sections, lib.ps1 is what they may call.

They stand beside the probes, so that whoever reviews what runs on a client's Windows machine finds
all of it in one folder tree.
"""
