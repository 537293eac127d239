"""What the ledger is proved with: a plain model of it, and ways to make its life hard.

    deed       one vocabulary of requests, spoken by model and ledger alike
    model      the ledger in dictionaries: what every deed should answer and change
    real       the same deeds done by a real market
    chaos      a seeded world of crashes, lost, doubled and late messages around a market
    history    whether concurrent answers can be explained by one order of events
    crew       writers for other processes, to be killed

Tests ship with the package because a spawned process must import its target by name.
"""
