# numba has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUntypedFunctionDecorator=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false
"""The inner loop of `history`, compiled: a row at a time."""

import numpy as np

from recs_platform.contracts.compiled_loops import compiled


@compiled
def cosines_to_history(first, last, places, items, units, last_units, few_units, found):
    """Write two cosines of each row, of its item's vector and its user's two, at `places`; NaN where one is zero."""
    for row in range(first, last):
        place, item = places[row], items[row]
        to_last, to_few, item_length, last_length, few_length = 0.0, 0.0, 0.0, 0.0, 0.0
        for factor in range(units.shape[1]):
            value = np.float64(units[item, factor])
            of_last, of_few = np.float64(last_units[place, factor]), np.float64(few_units[place, factor])
            to_last += value * of_last
            to_few += value * of_few
            item_length += value * value
            last_length += of_last * of_last
            few_length += of_few * of_few
        found[row, 0] = to_last if item_length > 0 and last_length > 0 else np.nan
        found[row, 1] = to_few if item_length > 0 and few_length > 0 else np.nan
