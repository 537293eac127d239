"""Libraries that talk on stderr, told not to."""

from __future__ import annotations


def quiet_libraries() -> None:
    """No progress bars and notices from transformers; errors still come through."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
