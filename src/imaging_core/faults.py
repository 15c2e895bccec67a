"""Reports what nobody foresaw without giving away what a user wrote; imports the standard library only."""

import logging


class TextWithheld(Exception):
    """Stands for an error whose own text may hold a prompt, an address or a secret."""


def log_fault(log: logging.Logger, sentence: str, error: BaseException, facts: dict[str, object]) -> None:
    """Log an unforeseen error with its type and its trace, but not its text; that is told at debug level only."""
    stand_in = TextWithheld(type(error).__name__)
    log.error(sentence, exc_info=(TextWithheld, stand_in, error.__traceback__), extra=facts)
    log.debug("The text withheld above: %r", error, extra=facts)
