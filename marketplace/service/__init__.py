"""The market over HTTP: signed requests in, problem documents and exact amounts out.

`app.create_app` builds the service over an open market, `serve.serve` runs it until it is told to
stop. Nothing here knows SQL or prices: every change goes through `marketplace.market.Market`.
"""
