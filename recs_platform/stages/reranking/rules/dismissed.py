"""Filter: nothing the user dismissed lately, nor, where the settings say so, anything of its creator."""

from recs_platform.stages.reranking.hidden import DISMISSED
from recs_platform.stages.reranking.rules.hidden_pairs import filter_of_hidden

RULE = filter_of_hidden(
    DISMISSED,
    reason="the user has dismissed the item, or one of its creator",
    check="nothing_dismissed",
    promise="No list holds an item that its user has dismissed, or of such a creator, as long as the settings say",
)
