"""What an author of probes needs to test them: samples, the contract of a probe, the read-only lint."""
