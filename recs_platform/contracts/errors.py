"""The one tree of errors. A message says what, where, how many and what to do.

RecsError                    exit code 1: it ran and could not
├── UsageError               exit code 2: the command line or the settings are wrong
├── ModelError               a SQL model, its yml or its dependencies are wrong
├── ContractError            a table or frame lacks what its contract promises
│   └── FeatureMismatch      the ranker was trained on other features
├── NotReady                 something upstream has not been built (names what to run)
└── Busy                     another process holds the lock (names the process)
"""


class RecsError(Exception):
    """What the platform raises on purpose: one line for a person, without a traceback. Exit code 1."""

    exit_code = 1


class UsageError(RecsError):
    """The command line or the settings are wrong. Exit code 2."""

    exit_code = 2


class ModelError(RecsError):
    """A SQL model, its yml or its dependencies are wrong; the message names the file."""


class ContractError(RecsError):
    """A table or frame lacks what its contract promises."""


class FeatureMismatch(ContractError):
    """The ranker was trained on other features than those at hand."""


class NotReady(RecsError):
    """Something upstream has not been built; the message names what to run."""


class Busy(RecsError):
    """Another process holds the lock; the message names it."""
