"""Loops over the bytes of a block, compiled once and run without the interpreter's lock."""
