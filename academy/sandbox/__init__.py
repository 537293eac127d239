"""Code that nobody trusts, run where it can do no harm."""
