"""Who reproduces and who stays."""
