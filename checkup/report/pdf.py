"""HTML to PDF in a process of its own, with an end in time and memory.

Long or odd text from a client's machine can make the layout slow, never the check-up: the parent
waits so long and no longer. WeasyPrint is imported in the child only.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime

TIME_LIMIT_S = 600.0
MEMORY_LIMIT_BYTES = 3 * 1024**3

# Exit codes of the child; the sentence for people stands on its standard error.
LIBRARY_MISSING = 3
BLOCKED_FETCH = 4
OUT_OF_MEMORY = 5

_PANGO = {
    "linux": "the package libpango-1.0-0 with libpangoft2-1.0-0 and libharfbuzz-subset0 (Debian, Ubuntu)"
    " or pango (Fedora)",
    "darwin": "`brew install pango`",
    "win32": "Pango from MSYS2 (`pacman -S mingw-w64-ucrt-x86_64-pango`); if it is in an unusual folder, name"
    " that in WEASYPRINT_DLL_DIRECTORIES",
}


class ReportError(Exception):
    """The PDF could not be made; the message says what to do. Nothing collected is lost by it."""


def render_pdf(
    html: str,
    *,
    created: datetime,
    attachment: bytes,
    attachment_name: str = "checkup.json",
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
) -> bytes:
    """A PDF/A-3a and PDF/UA-1 file with the findings embedded, byte for byte, as `attachment`.

    The same arguments give the same bytes: `created` (with time zone) is the only date in the file.
    Raises ReportError.
    """
    request = {
        "html": html,
        "created": created.astimezone(UTC).isoformat(),
        "attachment": base64.b64encode(attachment).decode("ascii"),
        "attachment_name": attachment_name,
        "memory_limit_bytes": memory_limit_bytes,
    }
    # -P: a file in the working directory must not pass for one of our modules.
    command = [sys.executable, "-P", "-X", "utf8", "-m", "checkup.report.pdf_worker"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request).encode("ascii"),
            capture_output=True,
            timeout=time_limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ReportError(
            f"the PDF was not ready after {time_limit_s:.0f} s and was given up. The HTML report is complete."
        ) from None
    except OSError as error:
        raise ReportError(
            f"no process could be started for the PDF ({error.strerror or 'unknown error'})."
            " The HTML report is complete."
        ) from error
    if done.returncode == 0 and done.stdout.startswith(b"%PDF-"):
        return done.stdout
    raise ReportError(_sentence(done.returncode, done.stderr.decode("utf-8", "replace"), memory_limit_bytes))


def _sentence(code: int, said: str, memory_limit_bytes: int) -> str:
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")[:500]
    if code == LIBRARY_MISSING:
        package = _PANGO.get(sys.platform, _PANGO["linux"])
        return (
            f"the PDF needs the Pango library, which is not on this computer ({last}). Install {package},"
            " then `checkup report` makes it; the HTML report is complete."
        )
    if code == BLOCKED_FETCH:
        return f"the PDF was refused: {last}. This is a fault of the report's templates; please report it."
    # A killed child says nothing: an operating system that is short of memory does that.
    if code == OUT_OF_MEMORY or code < 0:
        return (
            f"the PDF needed more than {memory_limit_bytes // 1024**2} MB of memory and was given up."
            " The HTML report is complete."
        )
    return f"the PDF could not be made ({last or f'exit {code}'}). The HTML report is complete."
