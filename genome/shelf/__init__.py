"""Keeping layers: manifests, signatures, folders, catalogue, lineage, upkeep."""
