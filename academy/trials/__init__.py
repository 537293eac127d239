"""One persona against another, and what may be concluded from it."""
