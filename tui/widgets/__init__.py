"""Tables, charts and texts that the views are made of."""
