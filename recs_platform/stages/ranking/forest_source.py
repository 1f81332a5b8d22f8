"""C source of a forest, which decides as LightGBM does, bit by bit. It is compiled in `compiled_forest`.

A tree compares a chunk of rows with all of its thresholds and keeps a bit for each leaf that a row may still reach; the
leftmost one left is the row's (QuickScorer, Lucchese et al. 2015). Without branches, compilers do several rows at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SCORE_FUNCTION = "score_rows"
ZERO_MAX = float(np.float32(1e-35))  # what is no farther from zero LightGBM reads as zero

_CHUNK_ROWS_MAX = 256
_CHUNK_VALUES_MAX = 32_768  # 128 KiB, for a chunk lies on the stack of a thread
_INFINITE = 1e300
_WORD_BITS = 32
_ALL = (1 << _WORD_BITS) - 1

Node = Mapping[str, Any]

_HEAD = """\
#include <stdint.h>

#define CHUNK {chunk}
#define FEATURES {features}
#define WORDS {words}

static inline uint32_t in_word(float value, uint32_t word)
{{
    uint32_t inside = (value > -1.0f) & (value < 32.0f);
    return inside & (word >> (int)(inside ? value : 0.0f));
}}

static inline uint32_t in_set(float value, const uint32_t *words, int count)
{{
    if (!(value > -1.0f && value < 32.0f * (float)count)) return 0;
    return (words[(int)value >> 5] >> ((int)value & 31)) & 1u;
}}

static inline void add_leaves(
    const uint32_t *restrict alive, const double *restrict leaves, double *restrict scores, int64_t count)
{{
    for (int64_t i = 0; i < count; i++) {{
        int64_t word = 0;
        while (WORDS > 1 && !alive[word * CHUNK + i]) word++;
        scores[i] += leaves[32 * word + __builtin_ctz(alive[word * CHUNK + i])];
    }}
}}
"""
_TREE = """\
static const double leaves_{number}[] = {{{leaves}}};

static void tree_{number}(const float *restrict x, uint32_t *restrict alive, double *restrict scores, int64_t count)
{{
{loops}
    add_leaves(alive, leaves_{number}, scores, count);
}}
"""
_ENTRY = """\
static const int64_t features[FEATURES] = {{{features}}};

void {name}(const float *matrix, int64_t count, int64_t row_step, int64_t feature_step, double *scores)
{{
    float x[FEATURES * CHUNK];
    uint32_t alive[WORDS * CHUNK];
    for (int64_t start = 0; start < count; start += CHUNK) {{
        int64_t some = count - start < CHUNK ? count - start : CHUNK;
        for (int64_t j = 0; j < FEATURES; j++) {{
            const float *from = matrix + start * row_step + features[j] * feature_step;
            for (int64_t i = 0; i < some; i++) {{
                float value = from[i * row_step];
                x[j * CHUNK + i] = value >= -{zero} && value <= {zero} ? 0.0f : value;
            }}
            for (int64_t i = some; i < CHUNK; i++) x[j * CHUNK + i] = 0.0f;
        }}
        for (int64_t i = 0; i < some; i++) scores[start + i] = 0.0;
{calls}
    }}
}}
"""


@dataclass(frozen=True)
class _Split:
    """A node that splits, and the leaves on its left: from `first` to before `end`, counted from the left."""

    node: Node
    first: int
    end: int


def forest_source(trees: Sequence[Node]) -> str:
    """C source that scores float32 rows, from `tree_info` of LightGBM's `dump_model()`; the same forest, the same text.

    It defines `score_rows(matrix, count, row_step, feature_step, scores)`; steps are in values, so that any matrix is
    read where it lies. Trees are added in their order, for in another the sum would be rounded otherwise.
    """
    roots = [tree["tree_structure"] for tree in trees]
    used = sorted({node["split_feature"] for root in roots for node in split_nodes(root)}) or [0]
    column_of = {feature: column for column, feature in enumerate(used)}
    head = _HEAD.format(chunk=_chunk_rows(len(used)), features=len(used), words=max(map(_words, roots), default=1))
    functions = [_tree_function(number, root, column_of) for number, root in enumerate(roots)]
    calls = "\n".join(f"        tree_{number}(x, alive, scores + start, some);" for number in range(len(roots)))
    entry = _ENTRY.format(name=SCORE_FUNCTION, features=_listed(used), zero=_c_float(ZERO_MAX), calls=calls)
    return "\n".join((head, *functions, entry))


def split_nodes(node: Node) -> Iterator[Node]:
    """Every node below and at `node` that splits, parents before children, left before right."""
    if "split_feature" in node:
        yield node
        yield from split_nodes(node["left_child"])
        yield from split_nodes(node["right_child"])


def split_categories(node: Node) -> list[int]:
    """Categories that a categorical node sends left; empty for one that compares numbers."""
    return [int(each) for each in str(node["threshold"]).split("||")] if node["decision_type"] == "==" else []


def float_threshold(threshold: float) -> np.float32:
    """The greatest float32 that is no greater: a float32 is at most one just when it is at most the other.

    >>> float_threshold(1.0), float_threshold(1.0 - 1e-12) < 1.0 - 1e-12, float_threshold(-1e300)
    (np.float32(1.0), np.True_, np.float32(-inf))

    LightGBM writes 1e300 for infinity, by which it splits what is missing from all that is not:

    >>> float_threshold(1e300)
    np.float32(inf)
    """
    if abs(threshold) >= _INFINITE:
        return np.float32(np.copysign(np.inf, threshold))
    with np.errstate(over="ignore", under="ignore"):
        nearest = np.float32(threshold)
    return np.nextafter(nearest, np.float32(-np.inf)) if float(nearest) > threshold else nearest


def _chunk_rows(features: int) -> int:
    """A power of two, so that vectors of any width fill a chunk."""
    return min(_CHUNK_ROWS_MAX, 1 << max(4, (_CHUNK_VALUES_MAX // features).bit_length() - 1))


def _words(root: Node) -> int:
    return -(-(1 + sum(1 for _ in split_nodes(root))) // _WORD_BITS)


def _tree_function(number: int, root: Node, column_of: Mapping[int, int]) -> str:
    leaves: list[float] = []
    splits = list(_splits(root, leaves))
    sets = {split.node["split_index"]: f"set_{number}_{split.node['split_index']}" for split in splits}
    tables = "".join(
        f"static const uint32_t {sets[split.node['split_index']]}[] = {{{_listed(map(hex, words))}}};\n"
        for split in splits
        if len(words := _bits(split.node)) > 1
    )
    loops = "\n".join(line for word in range(_words(root)) for line in _loops(word, splits, column_of, sets))
    return tables + _TREE.format(number=number, leaves=_listed(leaf.hex() for leaf in leaves), loops=loops)


def _splits(node: Node, leaves: list[float]) -> Iterator[_Split]:
    """The splits of a tree; its leaves are added to `leaves` from left to right."""
    if "split_feature" not in node:
        leaves.append(float(node["leaf_value"]))
        return
    first = len(leaves)
    yield from _splits(node["left_child"], leaves)
    yield _Split(node, first, len(leaves))
    yield from _splits(node["right_child"], leaves)


def _loops(word: int, splits: Sequence[_Split], column_of: Mapping[int, int], sets: Mapping[int, str]) -> Iterator[str]:
    """Lines that leave in a word of `alive` the leaves a row may still reach; look-ups, a row at a time, come apart."""
    compared, looked_up = "", ""
    for split in splits:
        leaves = ((1 << split.end) - (1 << split.first)) >> word * _WORD_BITS & _ALL
        if leaves:
            goes_left = _condition(split.node, f"x[{column_of[split.node['split_feature']]} * CHUNK + i]", sets)
            line = f"        bits &= ({goes_left}) ? {_ALL:#x}u : {_ALL ^ leaves:#x}u;\n"
            is_looked_up = len(_bits(split.node)) > 1
            compared, looked_up = (compared, looked_up + line) if is_looked_up else (compared + line, looked_up)
    target = f"alive[{word} * CHUNK + i]"
    yield _loop(f"{_ALL:#x}u", compared, target)
    if looked_up:
        yield _loop(target, looked_up, target)


def _loop(start: str, lines: str, target: str) -> str:
    body = f"        uint32_t bits = {start};\n{lines}        {target} = bits;"
    return f"    for (int i = 0; i < CHUNK; i++) {{\n{body}\n    }}"


def _condition(node: Node, value: str, sets: Mapping[int, str]) -> str:
    """When a row goes left. A comparison with NaN is false, so that its negation is true."""
    if words := _bits(node):
        name = sets[node["split_index"]]
        return f"in_word({value}, {words[0]:#x}u)" if len(words) == 1 else f"in_set({value}, {name}, {len(words)})"
    limit = _c_float(float(float_threshold(node["threshold"])))
    at_most, not_above = f"({value} <= {limit})", f"!({value} > {limit})"
    match node["missing_type"]:
        case "None":  # a missing value counts as zero
            return not_above if node["threshold"] >= 0 else at_most
        case "Zero":  # and zero as missing
            return f"{not_above} | ({value} == 0.0f)" if node["default_left"] else f"{at_most} & ({value} != 0.0f)"
        case _:
            return not_above if node["default_left"] else at_most


def _bits(node: Node) -> list[int]:
    """The categories of a node as words of a bit set; none for a node that compares numbers."""
    categories = split_categories(node)
    words = [0] * (max(categories, default=-1) // _WORD_BITS + 1)
    for category in categories:
        words[category // _WORD_BITS] |= 1 << category % _WORD_BITS
    return words


def _c_float(value: float) -> str:
    return f"{value.hex()}f" if np.isfinite(value) else f"({np.copysign(1, value)}f / 0.0f)"


def _listed(values: Iterator[Any] | Sequence[Any]) -> str:
    return ", ".join(map(str, values))
