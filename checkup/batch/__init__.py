"""The script around the collectors of one endpoint, and the frames that come back."""
