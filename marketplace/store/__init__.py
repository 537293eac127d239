"""An open market: its schema, the one writer, migrations, the move to another place, the audit."""
