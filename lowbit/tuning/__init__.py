"""Tuning as a user sees it: the call, its result, progress while it works, and a page on it."""
