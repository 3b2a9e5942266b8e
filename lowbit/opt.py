"""`lowbit-opt`: xDSL's optimiser driver with our dialect and passes, and one-line errors.

Works from an uninstalled checkout as well: what the `xdsl.universe` entry point has not brought is
registered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.arg_spec import parse_pipeline
from xdsl.utils.exceptions import DiagnosticException, VerifyException
from xdsl.xdsl_opt_main import xDSLOptMain

from lowbit.errors import USER_ERRORS, place_of, pointing, report
from lowbit.registry import LOWBIT_UNIVERSE, find_pass
from lowbit.source import SourceParser, find_culprit
from lowbit.streams import flushed


class LowbitOptMain(xDSLOptMain):
    """xDSL's driver with lowbit registered."""

    version_format = "lowbit-opt built from xdsl version {xdsl_version}"
    offset = 0
    text = b""
    """The part of the input that was read last, after as many lines as stand before it."""

    def run(self) -> None:
        """Parse, apply passes and print; an error about a line shows it."""
        try:
            super().run()
        except USER_ERRORS as error:
            pointing(error, self.get_input_name(), self.text)
            raise

    def register_all_dialects(self) -> None:
        super().register_all_dialects()
        present = set(self.ctx.registered_dialect_names)
        for name, load in LOWBIT_UNIVERSE.all_dialects.items():
            if name not in present:
                self.ctx.register_dialect(name, load)

    def register_all_passes(self) -> None:
        super().register_all_passes()
        self.available_passes = LOWBIT_UNIVERSE.all_passes | self.available_passes

    def register_all_frontends(self) -> None:
        super().register_all_frontends()

        def parse(stream: IO[bytes]) -> ModuleOp:
            part = stream.read()
            self.text = b"\n" * self.offset + part
            source = SourceParser(self.ctx, part, self.get_input_name(), self.offset)
            return source.parse_module(not self.args.no_implicit_module)

        self.available_frontends["mlir"] = parse

    def parse_chunk(
        self, chunk: IO[bytes], file_extension: str, start_offset: int = 0
    ) -> ModuleOp | None:
        self.offset = start_offset
        return super().parse_chunk(chunk, file_extension, start_offset)

    def setup_pipeline(self) -> None:
        """Read the pipeline; raises ValueError naming a pass or option that there is not."""
        for one in parse_pipeline(self.args.passes):
            find_pass(one)
        super().setup_pipeline()

    def apply_passes(self, prog: ModuleOp) -> None:
        """Apply the passes; an error names the op and line that it is about."""
        try:
            super().apply_passes(prog)
        except VerifyException as error:
            culprit = find_culprit(prog)
            if culprit is None or self.args.verify_diagnostics:
                raise
            raise DiagnosticException(f"{place_of(culprit)}: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `lowbit-opt`: 0 on success, 1 for bad input, 2 for a wrong command line."""

    def run() -> int:
        return report(
            "lowbit-opt", lambda: LowbitOptMain("lowbit optimiser driver", arguments).run()
        )

    return flushed("lowbit-opt", run)
