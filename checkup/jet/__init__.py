"""A reader of Access files (Jet 3 and 4, ACE 12 to 17) that asks only for the pages it needs.

A library of its own: it imports nothing of the rest of `checkup`, never writes, and never opens a file
through a driver. The way in is `checkup.jet.opening.open_file`; this module imports nothing, so that
naming the package costs nothing.

Facts about the format carry their source in the comment or docstring beside them:
  mdbtools  = HACKING.md of mdbtools, with the name of its section
  jackcess  = the class of Jackcess that knows it
  Microsoft = the papers "Understanding Microsoft Jet Locking" and Access' own documentation
  observed  = seen in every file of the public test corpora, and tested there
"""
