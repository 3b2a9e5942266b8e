"""`lowbit completion`: the words of the command line, written out for a shell."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator
from typing import Any, cast

from lowbit.command import build_parser

_SCRIPT = """\
_lowbit() {{
  local words
  case "${{COMP_WORDS[1]}} $3" in
{cases}
    *) words="{commands}" ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="{commands}"
  COMPREPLY=($(compgen -W "$words" -- "$2"))
}}
complete -o default -F _lowbit lowbit"""
_ZSH = "autoload -Uz bashcompinit && bashcompinit\n"


def run(given: Namespace) -> None:
    """Print the script of a shell."""
    commands = commands_of(build_parser())
    cases = [
        f'    "{pattern}) words="{" ".join(words)}" ;;'
        for name, parser in commands.items()
        for pattern, words in _cases(name, parser)
    ]
    script = _SCRIPT.format(cases="\n".join(cases), commands=" ".join(commands))
    print(_ZSH * (given.shell == "zsh") + script)


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    (choices,) = [action.choices for action in actions_of(parser) if action.nargs == "A..."]
    return cast(dict[str, argparse.ArgumentParser], choices)


def actions_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What a parser takes."""
    return list(cast(Any, parser)._actions)


def _cases(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    """Patterns of a command and the word before, and what may stand next; no words for files."""
    options = [action for action in actions_of(parser) if action.option_strings]
    for action in options:
        if action.nargs != 0:
            words = [str(one) for one in action.choices or ()]
            for option in action.option_strings:
                yield f'{name} {option}"', words
    positional = (one for one in actions_of(parser) if not one.option_strings)
    chosen = [str(word) for one in positional for word in one.choices or ()]
    yield f'{name} "*', [*chosen, *(max(one.option_strings, key=len) for one in options)]
