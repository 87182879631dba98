"""The flows, a module for each pipeline."""

import atexit
import gc

atexit.register(gc.freeze)  # the interpreter would look for cycles in all of Prefect: 0.7 s a run
