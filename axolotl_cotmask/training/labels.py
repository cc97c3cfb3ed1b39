"""What prepared rows teach: where none has a label, or a token to mask, the run stops; rows without labels are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from axolotl.utils.logging import get_logger
from pyarrow import compute

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.marks import IGNORE_INDEX, MASK_WEIGHT
from axolotl_cotmask.training.chat_roles import roles_told

LOG = get_logger(__name__)
#: Of the rows without a label so many are named.
_NAMED = 5


def check_labels(prepared: Any, rows: Any, entry: Mapping[str, Any]) -> None:
    """Warn of rows from which nothing is learnt.

    Args:
        prepared: the data set with its labels.
        rows: as they were read.
        entry: of ``datasets:``.

    Raises:
        CoTMaskError: no row has a label.
    """
    without = np.flatnonzero(~rows_with(prepared, "labels", lambda labels: compute.not_equal(labels, IGNORE_INDEX)))
    if len(prepared) and len(without) == len(prepared):
        raise CoTMaskError(
            f"{entry['path']}: none of its {len(prepared)} rows has a label, so nothing would be learnt from it"
            f"{roles_told(rows, entry)}: mend the data, or what its entry says of them"
        )
    if len(without):
        # Where a type leaves rows out, those that stay have other numbers.
        named = ", ".join(str(number + 1) for number in without[:_NAMED]) + (", ..." if len(without) > _NAMED else "")
        LOG.warning(
            f"{entry['path']}: {len(without)} of {len(prepared)} rows have no label, so nothing is learnt from them"
            + (f" (rows {named})" if len(prepared) == len(rows) else "")
        )


def count_unmaskable(prepared: Any) -> int:
    """Return how many rows of the training data have no token that may be masked.

    Raises:
        CoTMaskError: no row has one.
    """
    count = int((~maskable_rows(prepared)).sum())
    if count == len(prepared):
        raise CoTMaskError(
            f"no token of the {count} training rows may be masked, so this would be plain SFT: check mask_ratio and "
            "protect of the data sets, scope and select, or set cotmask.mask_ratio: 0 if that is meant"
        )
    return count


def maskable_rows(prepared: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return for each row whether it has a token that may be masked."""
    return rows_with(prepared, MASK_WEIGHT, lambda weights: compute.greater(weights, 0))


def rows_with(prepared: Any, column: str, test: Callable[[Any], Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return for each row whether a value in its list of ``column`` passes ``test``, which takes and gives an array."""
    found = np.zeros(len(prepared), dtype=bool)
    begin = 0
    for table in prepared.select_columns(column).with_format("arrow").iter(batch_size=1000):
        lists = table[column].combine_chunks()
        of_row = compute.list_parent_indices(lists).filter(test(compute.list_flatten(lists)))
        found[begin + of_row.to_numpy()] = True
        begin += len(lists)
    return found
