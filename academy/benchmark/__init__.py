"""The methods a gain is compared with, at equal budget, and the protocol they share."""
