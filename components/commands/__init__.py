"""Work that is asked for by hand beside the stages: `python -m components <command>`."""

COMMANDS = ("drift", "feedback")
