"""What the screens show: one snapshot of a run and of a market, from files or from a service."""
