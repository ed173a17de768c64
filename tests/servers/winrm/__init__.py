"""A WinRM service for tests: WS-Management, shells and CIM queries, as an unmodified pywinrm meets them.

Shapes and words of the answers are those of [MS-WSMV], DSP0226 (WS-Management), DSP0227 (its CIM
binding) and of recorded conversations with real machines; what was recorded by nobody is marked so.
"""

from .accounts import Acceptor
from .connections import Request
from .faults import Fault
from .programs import Machine, Output
from .server import WinrmServer
from .tls import Certificate, make_certificate
from .trouble import PORTAL, PROXY_PAGE, UNAVAILABLE, Page, Trouble

__all__ = [
    "PORTAL",
    "PROXY_PAGE",
    "UNAVAILABLE",
    "Acceptor",
    "Certificate",
    "Fault",
    "Machine",
    "Output",
    "Page",
    "Request",
    "Trouble",
    "WinrmServer",
    "make_certificate",
]
