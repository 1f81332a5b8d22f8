# numba has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUntypedFunctionDecorator=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false
"""Inner loops of retrieval, compiled. Each row is worked on alone and in one fixed order.

Matrices come as the arrays of SparseRows, keys as in `packing`; what is excluded from a row comes as the starts
and columns of another matrix with the same rows.
"""

import numpy as np

from recs_platform.contracts.compiled_loops import compiled
from recs_platform.stages.retrieval.packing import LOW


@compiled
def _keep_greatest(heap, size, key):
    """Put a key into a heap of the greatest so far, the least on top; returns its new size."""
    if size < len(heap):
        child = size
        heap[child] = key
        while child > 0:
            parent = (child - 1) >> 1
            if heap[parent] <= heap[child]:
                break
            heap[parent], heap[child] = heap[child], heap[parent]
            child = parent
        return size + 1
    if size == 0 or key <= heap[0]:
        return size
    heap[0] = key
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            return size
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[parent] <= heap[child]:
            return size
        heap[parent], heap[child] = heap[child], heap[parent]
        parent = child


@compiled
def _descending(heap, size, row):
    """Write the keys of a heap into a row, the greatest first."""
    ascending = np.sort(heap[:size])
    for rank in range(size):
        row[rank] = ascending[size - 1 - rank]


@compiled
def _best_of_met(met, count, bits, allowed, heap, row):
    """Write the keys of the greatest sums above 0 (`bits` of float32) of the `count` columns met into a row."""
    size = 0
    for position in range(count):
        column = met[position]
        if bits[column] > 0 and allowed[column]:
            size = _keep_greatest(heap, size, (np.int64(bits[column]) << 32) | (LOW - np.int64(column)))
    _descending(heap, size, row)


@compiled
def best_of_stored(first, last, starts, columns, values, keys):
    """Into `keys` (n_rows, n) the greatest values above 0 that each row stores."""
    bits = values.view(np.int32)
    heap = np.empty(keys.shape[1], np.int64)
    for row in range(first, last):
        size = 0
        for stored in range(starts[row], starts[row + 1]):
            if bits[stored] > 0:
                size = _keep_greatest(heap, size, (np.int64(bits[stored]) << 32) | (LOW - np.int64(columns[stored])))
        _descending(heap, size, keys[row])


@compiled
def best_of_product(
    first, last, starts, columns, values, other_starts, other_columns, other_values,
    allowed, excluded_starts, excluded_columns, keys,
):  # fmt: skip
    """Into `keys` (n_rows, n) the greatest sums above 0 of each row of a product, less what is excluded or not allowed.

    A row's sums are float32 and run in the order of its stored values, as scipy's do.
    """
    n_columns = len(allowed)
    sums = np.zeros(n_columns, np.float32)
    bits = sums.view(np.int32)
    met_in = np.full(n_columns, -1, np.int64)
    met = np.empty(n_columns, np.int32)
    heap = np.empty(keys.shape[1], np.int64)
    for row in range(first, last):
        count = 0
        for stored in range(starts[row], starts[row + 1]):
            middle, value = columns[stored], values[stored]
            for other in range(other_starts[middle], other_starts[middle + 1]):
                column = other_columns[other]
                if met_in[column] == row:
                    sums[column] += value * other_values[other]
                else:
                    met_in[column] = row
                    sums[column] = value * other_values[other]
                    met[count] = column
                    count += 1
        for excluded in range(excluded_starts[row], excluded_starts[row + 1]):
            sums[excluded_columns[excluded]] = 0
        _best_of_met(met, count, bits, allowed, heap, keys[row])


@compiled
def sums_over_paths(
    starts, columns, values, audience_starts, audience_columns, user_weights, like_starts, like_columns, sums,
):  # fmt: skip
    """Into `sums` (n_rows, n_items), which is 0, for each path from a stored item through a user to an item of theirs.

    A path adds the stored value times the user's weight. A user met through several items is gone through once.
    """
    n_users = len(user_weights)
    reached, met_in = np.zeros(n_users, np.float32), np.full(n_users, -1, np.int64)
    met = np.empty(n_users, np.int32)
    for row in range(len(sums)):
        count = 0
        for stored in range(starts[row], starts[row + 1]):
            item, value = columns[stored], values[stored]
            for other in range(audience_starts[item], audience_starts[item + 1]):
                user = audience_columns[other]
                if met_in[user] == row:
                    reached[user] += value
                else:
                    met_in[user], reached[user] = row, value
                    met[count] = user
                    count += 1
        for position in range(count):
            user = met[position]
            worth = reached[user] * user_weights[user]
            for liked in range(like_starts[user], like_starts[user + 1]):
                sums[row, like_columns[liked]] += worth


@compiled
def best_of_rows(scores, allowed, excluded_starts, excluded_columns, found):
    """Into `found` (n_rows, n) the columns of the greatest scores of each row, whatever their sign, greatest first.

    Less what is excluded or not allowed; what is left of a row stays as it is.
    """
    n_items = scores.shape[1]
    excluded_in = np.full(n_items, -1, np.int64)
    heap = np.empty(found.shape[1], np.int64)
    for row in range(len(scores)):
        for excluded in range(excluded_starts[row], excluded_starts[row + 1]):
            excluded_in[excluded_columns[excluded]] = row
        bits, size = scores[row].view(np.int32), 0
        for column in range(n_items):
            if allowed[column] and excluded_in[column] != row:
                # Bits of a float32 rise with it above 0 and fall below.
                rising = np.int64(bits[column]) if bits[column] >= 0 else -np.int64(bits[column] & 0x7FFFFFFF)
                size = _keep_greatest(heap, size, (rising << 32) | (LOW - np.int64(column)))
        ascending = np.sort(heap[:size])
        for rank in range(size):
            found[row, rank] = LOW - (ascending[size - 1 - rank] & LOW)


@compiled
def first_allowed(first, last, orders, order_of, excluded_starts, excluded_columns, n_items, keys):
    """Into `keys` the first of each row's order that are not excluded.

    `orders`: keys (n_orders, width), descending, 0 where an order has ended; `order_of`: that of each row, -1 for none.
    """
    excluded_in = np.full(n_items, -1, np.int64)
    for row in range(first, last):
        if order_of[row] < 0:
            continue
        for excluded in range(excluded_starts[row], excluded_starts[row + 1]):
            excluded_in[excluded_columns[excluded]] = row
        order = orders[order_of[row]]
        size = 0
        for position in range(len(order)):
            if size == keys.shape[1] or order[position] <= 0:
                break
            if excluded_in[LOW - (order[position] & LOW)] != row:
                keys[row, size] = order[position]
                size += 1


@compiled
def _last_shared(begin, end, session_items, steps_in, steps_after, row):
    """The step of a session whose item the row met last, and the steps after it there; every neighbour shares one."""
    shared, least = begin, np.int64(1 << 40)
    for step in range(begin, end):
        item = session_items[step]
        if steps_in[item] == row and steps_after[item] < least:
            shared, least = step, steps_after[item]
    return shared, least


@compiled
def best_continuations(
    first, last, met_starts, met_items, met_steps, session_starts, session_items, neighbours,
    fading, decays, worths, allowed, excluded_starts, excluded_columns, keys,
):  # fmt: skip
    """Into `keys` the greatest sums of what stands around the last shared item in each row's neighbouring sessions.

    `met_*`: rows by items, the steps after the item; `neighbours`: keys (n_rows, n_sessions) of similarity and session;
    `decays`: worth of a step by the steps after it; `worths`: of the positions from so far before the shared item to
    so far after it.
    """
    n_items, reach = len(allowed), len(worths) // 2
    sums = np.zeros(n_items, np.float32)
    bits = sums.view(np.int32)
    heard_in, steps_in = np.full(n_items, -1, np.int64), np.full(n_items, -1, np.int64)
    steps_after = np.zeros(n_items, np.int64)
    heard = np.empty(n_items, np.int32)
    heap = np.empty(keys.shape[1], np.int64)
    similarities = (neighbours >> 32).astype(np.int32).view(np.float32)
    for row in range(first, last):
        count = 0
        for stored in range(met_starts[row], met_starts[row + 1]):
            steps_in[met_items[stored]] = row
            steps_after[met_items[stored]] = np.int64(met_steps[stored])
        for nth in range(neighbours.shape[1]):
            if neighbours[row, nth] <= 0:
                break
            session = LOW - (neighbours[row, nth] & LOW)
            begin, end = session_starts[session], session_starts[session + 1]
            shared, least = _last_shared(begin, end, session_items, steps_in, steps_after, row)
            weight = np.float32(np.float64(similarities[row, nth]) * decays[least] * np.float64(fading[session]))
            for step in range(max(begin, shared - reach), min(end, shared + reach + 1)):
                item = session_items[step]
                if heard_in[item] == row:
                    sums[item] += weight * worths[step - shared + reach]
                else:
                    heard_in[item] = row
                    sums[item] = weight * worths[step - shared + reach]
                    heard[count] = item
                    count += 1
        for excluded in range(excluded_starts[row], excluded_starts[row + 1]):
            sums[excluded_columns[excluded]] = 0
        _best_of_met(heard, count, bits, allowed, heap, keys[row])


@compiled
def _gather(row, list_starts, list_items, list_scores, weights, tiers, met_in, slot_of, own):
    """Put the items of a row's lists into slots, each once, with what each source says of it; returns their number.

    `own`: items, tiers (the lowest of its sources), ranks, shares, fused of each slot.
    """
    items, item_tiers, ranks, shares, fused = own
    count = 0
    for source in range(len(list_starts)):
        begin, end = list_starts[source, row], list_starts[source, row + 1]
        squares = 0.0
        for entry in range(begin, end):
            squares += np.float64(list_scores[entry]) ** 2
        root = np.sqrt(squares / max(end - begin, 1))
        for entry in range(begin, end):
            item, score = list_items[entry], list_scores[entry]
            if met_in[item] != row:
                met_in[item], slot_of[item] = row, count
                items[count], item_tiers[count], fused[count] = item, tiers[source, row], 0
                ranks[count], shares[count] = 0, 0
                count += 1
            slot = slot_of[item]
            ranks[slot, source] = entry - begin + 1
            shares[slot, source] = score / list_scores[begin]
            fused[slot] += weights[source] * np.float32(score / root)
            item_tiers[slot] = min(item_tiers[slot], tiers[source, row])
    return count


@compiled
def _lift(fused, tiers, count, tops):
    """Add to each score, for each higher tier, the greatest score in it and 1; `tops`: room for as many as tiers."""
    tops[:] = 0
    for slot in range(count):
        tops[tiers[slot]] = max(tops[tiers[slot]], fused[slot] + np.float32(1))
    running = np.float32(0)
    for tier in range(len(tops) - 1, -1, -1):
        running += tops[tier]
        tops[tier] = running - tops[tier]
    for slot in range(count):
        fused[slot] += tops[tiers[slot]]


@compiled
def _flag_within_quotas(row, ranks, quotas, count, flags):
    """Flag the slots that a source's quota keeps; returns their number."""
    flagged = 0
    for slot in range(count):
        flags[slot] = False
        for source in range(len(quotas)):
            if 0 < ranks[slot, source] <= quotas[source, row]:
                flags[slot] = True
        flagged += flags[slot]
    return flagged


@compiled
def _longest(first, last, list_starts):
    """Entries of all lists of the row that has most, at least 1."""
    most = 1
    for row in range(first, last):
        total = 0
        for source in range(len(list_starts)):
            total += list_starts[source, row + 1] - list_starts[source, row]
        most = max(most, total)
    return most


@compiled
def merge_rows(
    first, last, list_starts, list_items, list_scores, weights, tiers, n_tiers, quotas, keep, n_items,
    out_starts, counts, items, ranks, shares, fused,
):  # fmt: skip
    """Merge the lists of each row, see `merge_lists`; row r is written from `out_starts[r]` on, `counts[r]` entries.

    `list_starts`: (n_sources, n_rows + 1), where in `list_items` and `list_scores` a source's list of a row begins.
    `tiers`, `quotas`: (n_sources, n_rows), quota -1 where the source has none. `keep` below 0 keeps all.
    """
    n_sources, most = len(list_starts), _longest(first, last, list_starts)
    met_in, slot_of = np.full(n_items, -1, np.int64), np.empty(n_items, np.int64)
    own_items, own_tiers, in_quota = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.bool_)
    own_ranks, own_shares = np.empty((most, n_sources), np.int32), np.empty((most, n_sources), np.float32)
    own_fused, own_keys, tops = np.empty(most, np.float32), np.empty(most, np.int64), np.empty(n_tiers, np.float32)
    own, bits = (own_items, own_tiers, own_ranks, own_shares, own_fused), own_fused.view(np.int32)
    for row in range(first, last):
        count = _gather(row, list_starts, list_items, list_scores, weights, tiers, met_in, slot_of, own)
        if n_tiers > 1:
            _lift(own_fused, own_tiers, count, tops)
        for slot in range(count):
            own_keys[slot] = (np.int64(bits[slot]) << 32) | (LOW - own_items[slot])
        free = (count if keep < 0 else keep) - _flag_within_quotas(row, own_ranks, quotas, count, in_quota)
        written = out_starts[row]
        for key in np.sort(own_keys[:count])[::-1]:
            slot = slot_of[LOW - (key & LOW)]
            if not in_quota[slot]:
                if free <= 0:
                    continue
                free -= 1
            items[written], fused[written] = own_items[slot], own_fused[slot]
            ranks[written], shares[written] = own_ranks[slot], own_shares[slot]
            written += 1
        counts[row] = written - out_starts[row]
