"""Every way to pay for a layer, to be paid for one, and to get the payment back.

One file per way. Each function is the inside of one transaction that the caller holds: a refusal
raises, the caller's transaction rolls back, and the idempotency key stays free.

    buy       rent        meter (rent by use)    usage (pay per use)    bundle    subscription
    trial     bounty      compute                review                 back (returned sales)

`settlement` divides every payment, `rights` says who may use what, `sweep` finishes what is due.
"""
