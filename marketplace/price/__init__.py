"""How the formulas' inputs are found, and what an epoch's close makes of them."""
