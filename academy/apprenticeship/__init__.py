"""The demo's loop: helpers apprenticed to customers, counted in scored interactions."""
