"""Serving: the champions of all applications answer, and events come in."""

import os

# A request is answered on one core: threads for products of a few hundred rows cost more than they
# save, and the libraries read this once, when they are loaded.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
