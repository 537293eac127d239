"""Exam results that carry a price."""
