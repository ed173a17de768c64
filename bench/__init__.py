"""Benchmarks, each run by hand as `python -m bench.<name>`: they print tables and assert nothing."""
