"""PEFT adapter folders: checked byte by byte, read, written, unpacked."""
