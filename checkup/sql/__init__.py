"""SQL engines as far as no connection is needed: what is asked at first, what rights are called, what errors
mean, which statement fits, and how many travel together. Pure.
"""
