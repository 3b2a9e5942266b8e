"""The page of a benchmark."""
def page(machine, results): return ""
