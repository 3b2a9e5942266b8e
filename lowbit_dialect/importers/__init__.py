"""Importers: trained networks of other formats to lowbit programs.

`onnx_graph.import_onnx` reads QONNX, ONNX with quantised constants (QCDQ), and FINN's thresholds. The file is
parsed and bounded by `onnx_file`; each group of ops has a module. It needs the extra `onnx`.
"""

from lowbit_dialect.importers.onnx_graph import import_onnx
from lowbit_dialect.importers.onnx_model import Extents, ImportFailed

__all__ = ["Extents", "ImportFailed", "import_onnx"]
