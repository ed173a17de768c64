"""How a finished report leaves the house: as files in a folder. Nothing is ever sent from here."""
