"""One word, one meaning: options that were renamed work for a while, with a warning.

`--home` is where the library, personas and market are, `--out` a new file or folder of results;
`--base` a base model, by name, fingerprint or folder; `--items` how many questions, `--questions`
which ones; `--limit` how many lines; `--key` makes a repeated request harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tui.printing import say

RENAMED: Mapping[str, Mapping[str, str]] = {
    "demo": {"--out": "--home"},
    "academy breed": {"--questions": "--items"},
    "academy rate": {"--questions": "--items"},
    "layer import": {"--signed": "--signed-only"},
    "layer search": {"-k": "--limit"},
    "layer sign": {"--key": "--key-file"},
    "market search": {"--base-model": "--base"},
    "market bounty post": {"--base-model": "--base", "--questions": "--items"},
    "market cycle": {"--questions": "--items"},
}
"""Command -> old spelling -> present one."""
_MAX_COMMAND_WORDS = 3


def current_spelling(words: Sequence[str]) -> list[str]:
    """A command line with its options as they are called now; warns about every old one."""
    command, renamed = _renamed_of(words)
    spelled = list(words)
    for i, word in enumerate(words):
        if word == "--":
            break
        for old, new in renamed.items():
            if word == old or word.startswith(f"{old}="):
                spelled[i] = new + word[len(old) :]
            elif len(old) == 2 and word.startswith(old):
                spelled[i] = f"{new}={word[2:]}"
            else:
                continue
            say(
                f"continuum: warning: {old} of `continuum {command}` is called {new} now; the old "
                "spelling will go",
                err=True,
            )
    return spelled


def _renamed_of(words: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    for n in range(1, _MAX_COMMAND_WORDS + 1):
        command = " ".join(words[:n])
        if command in RENAMED:
            return command, RENAMED[command]
    return "", {}
