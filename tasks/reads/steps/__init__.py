"""What can be done to reads, one module per family of steps."""
