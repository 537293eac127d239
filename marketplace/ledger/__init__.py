"""Accounts and the journal: who owns how much, and proof that nothing was changed."""
