"""What tests are made with: small models, markets and clusters, makers of hostile files."""
