"""What every pipeline stands on: places, programs, services, the database, errors."""

import atexit
import gc

gc.set_threshold(10_000)
"""The search for cycles begins after 700 new objects unless told otherwise: an eighth of the time
of what handles many small records, and of the imports."""
atexit.register(gc.freeze)
"""A process of ours would end with a search for cycles in all that it imported: 0.15 s for a
command, 0.7 s and more for a run of a flow."""
