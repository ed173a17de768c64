"""The child process of `pdf.render_pdf`: a JSON request on standard input, the PDF on standard output.

Standard error ends with one sentence when it fails; the exit code says how (see pdf.py).
"""

from __future__ import annotations

import base64
import gc
import json
import logging
import sys
from datetime import datetime
from typing import Any

from checkup.report.pdf import BLOCKED_FETCH, LIBRARY_MISSING, OUT_OF_MEMORY
from checkup.report.templates import TEMPLATES

ASSETS = {".css": "text/css", ".otf": "font/otf", ".ttf": "font/ttf", ".woff2": "font/woff2"}

# WeasyPrint writes one variant; the tags it writes for PDF/A-3a are those of PDF/UA-1 too, so that
# only the mark is missing, and the description of the mark that PDF/A asks for.
PDF_UA_MARK = b"""
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1" />
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
    xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
    xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
  <pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
    <pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
    <pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
    <pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
    <pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
      <pdfaProperty:name>part</pdfaProperty:name>
      <pdfaProperty:valueType>Integer</pdfaProperty:valueType>
      <pdfaProperty:category>internal</pdfaProperty:category>
      <pdfaProperty:description>Part of ISO 14289 that the file follows</pdfaProperty:description>
    </rdf:li></rdf:Seq></pdfaSchema:property>
  </rdf:li></rdf:Bag></pdfaExtension:schemas>
</rdf:Description></rdf:RDF>"""


def render(
    weasyprint: Any, html: str, *, created: datetime, attachment: bytes, attachment_name: str
) -> bytes:
    """Raises FatalURLFetchingError on the address of anything but the report's own files."""
    document = weasyprint.HTML(
        string=html, base_url="asset:", url_fetcher=_own_files_only(weasyprint)
    ).render(pdf_variant="pdf/a-3a")
    document.metadata.attachments = [
        weasyprint.Attachment(
            string=attachment,
            name=attachment_name,
            description="The same as data, to be read by programs",
            relationship="Data",
            created=created,
            modified=created,
        )
    ]
    without_mark = document.metadata.generate_rdf_metadata

    def with_mark(*arguments: Any) -> bytes:
        return without_mark(*arguments).replace(b"</rdf:RDF>", PDF_UA_MARK)

    document.metadata.generate_rdf_metadata = with_mark
    return document.write_pdf(pdf_variant="pdf/a-3a")


def _own_files_only(weasyprint: Any) -> Any:
    """A fetcher that knows `asset:` and nothing else: no network, no other file."""
    urls = weasyprint.urls

    class OwnFilesOnly(urls.URLFetcher):
        def fetch(self, url: str, headers: Any = None) -> Any:
            path = (TEMPLATES / url.removeprefix("asset:")).resolve()
            if (
                not url.startswith("asset:")
                or not path.is_relative_to(TEMPLATES)
                or path.suffix not in ASSETS
            ):
                raise urls.FatalURLFetchingError(f"{url[:80]!r} is none of the report's own files")
            return urls.URLFetcherResponse(url, path.read_bytes(), {"Content-Type": ASSETS[path.suffix]})

    return OwnFilesOnly()


def main() -> int:
    request = json.loads(sys.stdin.buffer.read())
    _limit_memory(request["memory_limit_bytes"])
    gc.disable()  # a short life with little garbage: a fifth faster
    logging.getLogger("weasyprint").addHandler(logging.StreamHandler(sys.stderr))
    try:
        import weasyprint  # pyright: ignore[reportMissingTypeStubs] - it ships none
    except OSError as error:
        return _failed(LIBRARY_MISSING, str(error))
    try:
        pdf = render(
            weasyprint,
            request["html"],
            created=datetime.fromisoformat(request["created"]),
            attachment=base64.b64decode(request["attachment"]),
            attachment_name=request["attachment_name"],
        )
    except MemoryError:
        return _failed(OUT_OF_MEMORY, "out of memory")
    except Exception as error:  # noqa: BLE001 - the parent tells people, not a traceback
        blocked = type(error).__name__ == "FatalURLFetchingError"
        return _failed(BLOCKED_FETCH if blocked else 1, f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(pdf)
    return 0


def _failed(code: int, sentence: str) -> int:
    sys.stderr.write("\n" + " ".join(sentence.split())[:500] + "\n")
    return code


def _limit_memory(limit: int) -> None:
    if sys.platform == "win32":  # the time limit stands alone
        return
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    sys.exit(main())
