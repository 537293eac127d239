"""Personas for programs: the API that OpenAI's clients speak, with keys, budgets and prices."""
