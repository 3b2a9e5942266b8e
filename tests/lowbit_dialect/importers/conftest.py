"""Make the helpers beside these tests importable, and name the warnings that qonnx itself causes."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
