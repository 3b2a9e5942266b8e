"""The commands of `lowbit`, one a module: each parses what it was given, calls the library, prints."""
