"""Where the Academy meets the market: what is examined is sold, what sells is bred."""
