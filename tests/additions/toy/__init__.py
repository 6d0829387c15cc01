"""Toy: an application of one stage, for a test that adds one to a copy of the repository."""
