"""Skills: what makes endless seeded questions with one exact answer each."""
