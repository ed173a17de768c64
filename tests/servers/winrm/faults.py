"""The faults that a Windows WS-Management service answers with: codes, subcodes and words.

Codes are those of wsmerror.h (0x80338000 and above), of winerror.h below 65536, and HRESULTs of WMI;
which subcode goes with which code is as recorded from real machines, or as DSP0226 section 14 says.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

_CIM_NAMESPACES = (
    'xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"'
    ' xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common"'
    ' xmlns:p="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_SERVICE = "The WS-Management service cannot process the request. "
_FAULT_DETAIL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`wmi_status` (a CIM status code) makes it an MSFT_WmiError, which has no WSManFault code.

    `message` is the inner text where it differs from `reason`; `provider` names the plug-in that
    complained.
    """

    code: int
    subcode: str
    reason: str
    sender: bool = False
    message: str = ""
    detail: str = ""
    provider: tuple[str, str] | None = None  # name, path of its library
    wmi_status: int | None = None
    status: int = 500

    def xml(self, machine: str) -> str:
        value = "s:Sender" if self.sender else "s:Receiver"
        detail = f"<w:FaultDetail>{_FAULT_DETAIL}{self.detail}</w:FaultDetail>" if self.detail else ""
        inner = self._wsman_fault(machine) if self.wmi_status is None else self._wmi_error()
        return (
            f"<s:Fault><s:Code><s:Value>{value}</s:Value>"
            f"<s:Subcode><s:Value>{self.subcode}</s:Value></s:Subcode></s:Code>"
            f'<s:Reason><s:Text xml:lang="en-US">{escape(self.reason)} </s:Text></s:Reason>'
            f"<s:Detail>{detail}{inner}</s:Detail></s:Fault>"
        )

    def _wsman_fault(self, machine: str) -> str:
        message = escape(self.message or self.reason) + " "
        if self.provider:
            name, path = self.provider
            head = f"<f:ProviderFault provider={quoteattr(name)} path={quoteattr(path)}>"
            message = f"{head}{message}</f:ProviderFault>"
        return (
            '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"'
            f" Code={quoteattr(str(self.code))} Machine={quoteattr(machine)}>"
            f"<f:Message>{message}</f:Message></f:WSManFault>"
        )

    def _wmi_error(self) -> str:
        message = escape(self.message or self.reason) + " "
        nothing = "".join(
            f'<p:{name} xsi:type="cim:cimString" xsi:nil="true"/>'
            for name in (
                "OtherErrorSourceFormat",
                "OtherErrorType",
                "OwningEntity",
                "ProbableCauseDescription",
            )
        )
        return (
            f'<p:MSFT_WmiError b:IsCIM_Error="true" {_CIM_NAMESPACES} xsi:type="p:MSFT_WmiError_Type">'
            f'<p:CIMStatusCode xsi:type="cim:cimUnsignedInt">{self.wmi_status}</p:CIMStatusCode>'
            '<p:CIMStatusCodeDescription xsi:type="cim:cimString" xsi:nil="true"/>'
            f'<p:Message xsi:type="cim:cimString">{message}</p:Message>'
            f'<p:MessageID xsi:type="cim:cimString">HRESULT 0x{self.code:08x}</p:MessageID>{nothing}'
            '<p:error_Category xsi:type="cim:cimUnsignedInt">30</p:error_Category>'
            f'<p:error_Code xsi:type="cim:cimUnsignedInt">{self.code}</p:error_Code>'
            '<p:error_Type xsi:type="cim:cimString">HRESULT</p:error_Type>'
            f'<p:error_WindowsErrorMessage xsi:type="cim:cimString">{message}</p:error_WindowsErrorMessage>'
            "</p:MSFT_WmiError>"
        )


class Refused(Exception):
    """A request that is answered with a fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


_SHELL_PLUGIN = ("Shell cmd plugin", r"%systemroot%\system32\winrscmd.dll")
_WMI_PLUGIN = ("WMI Provider", r"%systemroot%\system32\WsmWmiPl.dll")

# --- the message itself
INVALID_XML = Fault(
    code=2150858819,
    subcode="w:SchemaValidationError",
    sender=True,
    reason="The WS-Management service cannot process the request because the XML is invalid.",
)
WRONG_SOAP_VERSION = Fault(
    code=2150858765,
    subcode="s:VersionMismatch",
    sender=True,
    reason="The WS-Management service does not support the SOAP version specified in the request.",
)
NOT_UNDERSTOOD = Fault(
    code=2150858768,
    subcode="s:MustUnderstand",
    sender=True,
    reason="The WS-Management service cannot process a SOAP header in the request that is marked as"
    " mustUnderstand by the client.",
)
HEADER_MISSING = Fault(
    code=2150858769,
    subcode="a:MessageInformationHeaderRequired",
    sender=True,
    reason=_SERVICE + "The request does not have all the expected SOAP headers.",
)
INVALID_BODY = Fault(
    code=2150858791,
    subcode="w:InvalidBody",
    sender=True,
    reason="The WS-Management service cannot process the request because the request packet does not have a"
    " valid SOAP body.",
)
ACTION_NOT_SUPPORTED = Fault(
    code=2150858771,
    subcode="a:ActionNotSupported",
    sender=True,
    reason="The WS-Management service does not support the action specified in the request.",
)
INVALID_RESOURCE = Fault(
    code=2150858754,
    subcode="a:DestinationUnreachable",
    sender=True,
    detail="InvalidResourceURI",
    reason=_SERVICE + "The resource URI is missing or it has an incorrect format.",
)
# DSP0226 calls it EncodingLimit; which code Windows gives it was recorded by nobody.
REQUEST_TOO_LARGE = Fault(
    code=2150858790,
    subcode="w:EncodingLimit",
    sender=True,
    detail="MaxEnvelopeSize",
    reason=_SERVICE + "The request is larger than the maximum envelope size.",
)


def invalid_timeout(text: str) -> Fault:
    return Fault(
        code=2150858767,
        subcode="a:InvalidMessageInformationHeader",
        sender=True,
        reason=_SERVICE + "The request contains one or more invalid SOAP headers.",
        message=_SERVICE + f"The XML contains an invalid timeout field in the SOAP header: {text}.",
    )


# --- shells
TIMED_OUT = Fault(
    code=2150858793,
    subcode="w:TimedOut",
    reason="The WS-Management service cannot complete the operation within the time specified in"
    " OperationTimeout.",
)
ACCESS_DENIED = Fault(code=5, subcode="w:AccessDenied", sender=True, reason="Access is denied.")
SHELLS_NOT_ALLOWED = Fault(
    code=2150859180,
    subcode="w:AccessDenied",
    sender=True,
    reason=_SERVICE + "The service is configured to not accept any remote shell requests.",
)
ABORTED = Fault(
    code=995,
    subcode="w:InternalError",
    reason="The I/O operation has been aborted because of either a thread exit or an application request.",
    provider=_SHELL_PLUGIN,
)
PIPE_CLOSED = Fault(
    code=2147942632, subcode="w:InternalError", reason="The pipe is being closed.", provider=_SHELL_PLUGIN
)
FILE_NOT_FOUND = Fault(
    code=2147942402,
    subcode="w:InternalError",
    reason="The system cannot find the file specified.",
    provider=_SHELL_PLUGIN,
)
INVALID_PARAMETER = Fault(
    code=87,
    subcode="w:InvalidParameter",
    sender=True,
    detail="InvalidValue",
    reason="The parameter is incorrect.",
    provider=_SHELL_PLUGIN,
)
_INVALID_SELECTORS = (
    "The WS-Management service cannot process the request because the request contained invalid selectors"
    " for the resource."
)
UNKNOWN_COMMAND = Fault(
    code=2150858843,
    subcode="w:InvalidSelectors",
    sender=True,
    detail="UnexpectedSelectors",
    reason=_INVALID_SELECTORS,
    message="The Windows Remote Shell received a request to perform an operation on a command identifier that"
    " does not exist. Either the command has completed execution or the client specified an invalid command"
    " identifier.",
)


def unknown_shell(shell_id: str) -> Fault:
    return Fault(
        code=2150858843,
        subcode="w:InvalidSelectors",
        sender=True,
        detail="UnexpectedSelectors",
        reason=_INVALID_SELECTORS,
        message=f"The request for the Windows Remote Shell with ShellId {shell_id} failed because the shell"
        " was not found on the server. Possible causes are: the specified ShellId is incorrect or the shell"
        " no longer exists on the server. Provide the correct ShellId or create a new shell and retry the"
        " operation.",
    )


def too_many_shells(most: int, *, old: bool) -> Fault:
    """Windows 7 and 2008 R2 send a plain fault; newer ones an MSFT_WmiError."""
    return Fault(
        code=2150859173,
        subcode="w:QuotaLimit",
        sender=True,
        reason=_SERVICE + "The maximum number of concurrent shells for this user has been exceeded."
        " Close existing shells or raise the quota for this user.",
        message=_SERVICE
        + f"This user is allowed a maximum number of {most} concurrent shells, which has been"
        " exceeded. Close existing shells or raise the quota for this user.",
        wmi_status=None if old else 27,
    )


def too_many_operations(most: int, *, old: bool) -> Fault:
    return Fault(
        code=2150859174,
        subcode="w:QuotaLimit",
        sender=True,
        reason=_SERVICE + "The maximum number of concurrent operations for this user has been exceeded."
        " Close existing operations for this user, or raise the quota for this user.",
        message=_SERVICE + f"This user is allowed a maximum number of {most} concurrent operations, which has"
        " been exceeded. Close existing operations for this user, or raise the quota for this user.",
        wmi_status=None if old else 27,
    )


# --- CIM
_FILTER = (
    "The data source could not process the filter. The filter might be missing or it might be invalid."
    " Change the filter and try the request again."
)
INVALID_DIALECT = Fault(
    code=2150858777,
    subcode="n:FilterDialectRequestedUnavailable",
    sender=True,
    reason="The filter dialect (the type associated with the filter) was not supported for this resource."
    " Change the filter dialect or remove it from the request and try the request again.",
)
INVALID_CONTEXT = Fault(
    code=2150858779,
    subcode="n:InvalidEnumerationContext",
    reason="The WS-Enumeration context in the enumeration is not valid. Enumeration may have been completed"
    " or canceled. You cannot use this enumeration context anymore. Start a new enumeration.",
)
OTHER_PULL = Fault(
    code=2150859181,
    subcode="w:InvalidParameter",
    sender=True,
    reason="The WS-Management service cannot complete the Pull operation for the enumeration because the"
    " wsman:MaxEnvelopeSize, wsen:MaxCharacters or wsen:MaxElements parameters differ from those specified to"
    " the enumeration.",
)


def invalid_class(*, old: bool) -> Fault:
    if old:
        return Fault(
            code=2150858778,
            subcode="n:CannotProcessFilter",
            sender=True,
            reason=_FILTER,
            message="The specified class does not exist in the given namespace.",
            provider=_WMI_PLUGIN,
        )
    return _wmi(0x80041010, 5, "Invalid class")


def invalid_namespace() -> Fault:
    return _wmi(0x8004100E, 3, "Invalid namespace")


def invalid_query(*, old: bool) -> Fault:
    if old:
        return Fault(
            code=2150858778,
            subcode="n:CannotProcessFilter",
            sender=True,
            reason=_FILTER,
            message="The WQL query is invalid.",
            provider=_WMI_PLUGIN,
        )
    return _wmi(0x80041017, 15, "Invalid query")


def cim_denied(*, old: bool) -> Fault:
    if old:
        return Fault(
            code=2150859012,
            subcode="w:AccessDenied",
            sender=True,
            reason=_SERVICE + "The WMI service returned an 'access denied' error.",
            provider=_WMI_PLUGIN,
        )
    return _wmi(0x80041003, 2, "Access denied")


def _wmi(hresult: int, status: int, words: str) -> Fault:
    """How Windows 8 and 2012 and newer pass on an error of WMI (CIM status codes: DSP0004, table 4)."""
    return Fault(
        code=hresult,
        subcode="w:InternalError",
        reason=_SERVICE + f"The WMI service or the WMI provider returned an error: HRESULT 0x{hresult:08x}.",
        message=words,
        wmi_status=status,
    )
