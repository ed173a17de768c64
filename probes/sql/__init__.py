"""What the probes of all SQL engines share."""
