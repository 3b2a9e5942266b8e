import os
import sys

import lit.formats

config.name = "lowering"  # noqa: F821
config.test_format = lit.formats.ShTest()  # noqa: F821
config.suffixes = [".mlir"]  # noqa: F821
config.test_source_root = os.path.dirname(__file__)  # noqa: F821
tools = os.path.dirname(sys.executable)
config.environment["PATH"] = os.pathsep.join((tools, os.environ["PATH"]))  # noqa: F821
