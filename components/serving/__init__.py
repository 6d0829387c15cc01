"""Serving: the champion answers search, recommendations and sponsored products; events come in."""
