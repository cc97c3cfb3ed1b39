"""Where a run writes: a place where nothing can be made is told before any work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from axolotl.common.const import DEFAULT_DATASET_PREPARED_PATH

from axolotl_cotmask.common.errors import CoTMaskError, Fault, shown
from axolotl_cotmask.common.places import check_new_directory
from axolotl_cotmask.training import checks


def place_faults(cfg: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the keys whose directory can be neither made nor filled: all that a config of Axolotl 0.19 names to write.

    Its caches are named by variables, and what its loggers write lies below ``output_dir``.
    """
    from axolotl.utils.schemas.model import ModelOutputConfig

    output = cfg.get("output_dir")
    places = {"output_dir": ModelOutputConfig.model_fields["output_dir"].default if output is None else output}
    if not checks.reads_saved_model(cfg):
        places["dataset_prepared_path"] = cfg.get("dataset_prepared_path") or DEFAULT_DATASET_PREPARED_PATH
    for key, place in places.items():
        # What is no text, Axolotl's schema refuses.
        if isinstance(place, str) and (fault := _fault(place)):
            yield Fault((key,), f"{key} is {shown(place)}, where nothing can be written: {fault}")


def _fault(place: str) -> str | None:
    if not place:
        return "name a directory"
    if place.startswith("~"):
        # And `datasets`, which it hands some paths to, does not.
        return "Axolotl takes ~ for the name of a directory: write the path in full"
    try:
        check_new_directory(Path(place))
    except CoTMaskError as error:
        return str(error)
    except OSError as error:
        return f"{error.strerror}: name another place"
    except ValueError as error:
        return f"{error}: name another place"
    return None
