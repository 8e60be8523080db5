"""Everything that reads bytes, in libFuzzer's hands; its options are this module's: `make fuzz`."""

import sys
from importlib import import_module

if __name__ == "__main__":
    atheris = import_module("atheris")  # no dependency of ours: `make fuzz` fetches it
    with atheris.instrument_imports(include=["mm"]):
        fuzz_bytes = import_module("tests.adapters.hyperliquid.fuzz_bytes")
    atheris.Setup([*sys.argv, str(fuzz_bytes.corpus())], fuzz_bytes.one)
    atheris.Fuzz()
