"""Records in golden_masks.json what noised positions become: ``python tests/support/pin_noise.py NAME``, a name in its NOISES.

Look at the printed values before you keep them: they are what will be held from then on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from masking import test_golden_masks as golden

from support.tiny_model import gsm8k_rows

if __name__ == "__main__":
    problems = gsm8k_rows()
    tokenizer = golden.new_tokenizer(problems)
    values = golden.becomes(sys.argv[1], tokenizer, golden.recorded_rows(problems), golden.new_model(tokenizer))
    golden.GOLDEN["noises"][sys.argv[1]] = list(values)
    path = Path(golden.__file__).with_name("golden_masks.json")
    path.write_text(json.dumps(golden.GOLDEN, separators=(",", ":")), encoding="utf-8")
    print(*golden.GOLDEN["noises"][sys.argv[1]], sep="\n")
