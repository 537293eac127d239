"""The four views and the help."""
