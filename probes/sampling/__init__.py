"""What probes of a busy hour share: series of samples, and the differences between them."""
