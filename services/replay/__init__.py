"""Live replay: past visits, in order and faster than life, against the running server."""
