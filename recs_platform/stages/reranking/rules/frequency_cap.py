"""Filter: nothing that was shown to the user so often lately, without an event on it, that it is to rest."""

from recs_platform.stages.reranking.hidden import FREQUENCY_CAP
from recs_platform.stages.reranking.rules.hidden_pairs import filter_of_hidden

RULE = filter_of_hidden(
    FREQUENCY_CAP,
    reason="the item was shown to the user often enough without being opened",
    check="nothing_shown_too_often",
    promise="No list holds an item that was shown to its user as often as the settings allow, without an event on it",
)
