"""Speaks one text with eSpeak NG: ``python -m rivya_sandbox.renderers.espeak``.

A separate program: the library is GPL, keeps state between texts, and is native code that reads
untrusted text. Only `other_languages` runs it, as a child process.

Reads one JSON object from standard input (``language``, ``text``, ``rate`` in words a minute,
``pitch`` from 0 to 99, ``variant`` such as ``f2``) and writes mono PCM to standard output: the rate
as four bytes, then 16-bit samples, all little-endian. Exits with 3 if there is no such voice.
"""

from __future__ import annotations

import ctypes
import json
import struct
import sys
from importlib import import_module
from pathlib import Path

NO_VOICE = 3

# Source: eSpeak NG 1.52, speak_lib.h.
_SYNCHRONOUS = 2
_RATE, _PITCH = 1, 3  # parameters
_CHARACTERS, _UTF8 = 1, 1
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def main() -> int:
    """Speaks what standard input asks for; the exit status."""
    loader = import_module("espeakng_loader")  # an optional package, without types
    asked = json.load(sys.stdin)
    library = ctypes.CDLL(loader.get_library_path())
    data = Path(loader.get_data_path()).parent
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), 0)
    if rate <= 0:
        print("eSpeak NG found none of its data", file=sys.stderr)
        return 1
    named = f"{asked['language']}+{asked['variant']}".encode()
    if library.espeak_SetVoiceByName(named):
        return NO_VOICE
    library.espeak_SetParameter(_RATE, int(asked["rate"]), 0)
    library.espeak_SetParameter(_PITCH, int(asked["pitch"]), 0)

    spoken: list[bytes] = []

    def keep(samples: int | None, count: int, _: object) -> int:
        if samples is not None and count > 0:
            spoken.append(ctypes.string_at(samples, 2 * count))
        return 0

    called = _Callback(keep)  # must stay alive: the library holds no reference
    library.espeak_SetSynthCallback(called)
    text = asked["text"].encode() + b"\0"
    library.espeak_Synth(text, len(text), 0, _CHARACTERS, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    sys.stdout.buffer.write(struct.pack("<I", rate) + b"".join(spoken))
    return 0


if __name__ == "__main__":
    sys.exit(main())
