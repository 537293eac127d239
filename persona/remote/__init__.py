"""Other programs that compute answers, asked over HTTP."""
