"""Putting layers up for sale, proving what they can do, and taking them down."""
