"""Run objects for other processors in this process, and count what they execute (extra `model`)."""
