"""Opens a landed file, gzip-compressed or not."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.errors import SourceError

GZIP = b"\x1f\x8b"


@contextmanager
def opened(source: str, path: Path) -> Iterator[io.BufferedIOBase]:
    """A landed file's text as bytes; compression is recognised by the first bytes, whatever the file's name.

    Reading raises SourceError where the compressed data is damaged or incomplete.
    """
    with path.open("rb") as file:
        compressed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        if not compressed:
            yield file
            return
        try:
            with gzip.open(file) as content:
                yield content
        except EOFError:
            raise SourceError(
                source, None, "the file is truncated: its gzip data is incomplete; fetch it again"
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise SourceError(
                source, None, f"the file is damaged: its gzip data cannot be unpacked ({error}); fetch it again"
            ) from None
