"""What a PowerShell fragment may name: cmdlets, programs, types, members, variables. The rest is refused.

To allow one more thing that only reads, add its name to its table; names are compared without regard to
case, types without a leading `System.`. Everything here exists in Windows 7 as it was sold (Windows
PowerShell 2.0, .NET 2.0 to 3.5) unless it stands in NEWER: then the fragment must ask `Get-Command 'Name'`
before it uses it.

What may look harmless and is missing on purpose: methods that some reading type shares with a writing one
(`Replace` and `CopyTo` of a file, `Stop` of a service, `Clear` of an event log, `Add` of a group or a
certificate store). Those of texts and of collections are in METHODS_OF, where the type must be seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


def names(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


# --- cmdlets ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cmdlet:
    """Parameters that take a value, and switches; `positional`: how many values may stand without a name."""

    valued: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()
    positional: int = 0


def cmdlet(valued: str = "", switches: str = "", positional: int = 0) -> Cmdlet:
    return Cmdlet(names(valued), names(switches), positional)


CMDLETS: Mapping[str, Cmdlet] = {
    "compare-object": cmdlet("ReferenceObject DifferenceObject Property", "PassThru IncludeEqual"),
    "foreach-object": cmdlet("Process Begin End", "", 1),
    "get-acl": cmdlet("Path", "", 1),
    "get-childitem": cmdlet("Path LiteralPath Filter Include Exclude", "Recurse Force Name", 1),
    "get-command": cmdlet("Name CommandType", "", 1),
    "get-culture": cmdlet(),
    "get-date": cmdlet(),
    "get-eventlog": cmdlet("LogName After Before EntryType InstanceId Newest Source", "List"),
    "get-item": cmdlet("Path LiteralPath", "Force", 1),
    "get-itemproperty": cmdlet("Path LiteralPath Name", "", 1),
    "get-process": cmdlet("Name Id", "", 1),
    "get-psdrive": cmdlet("Name PSProvider", "", 1),
    "get-service": cmdlet("Name", "", 1),
    "get-uiculture": cmdlet(),
    "get-winevent": cmdlet("LogName ListLog ListProvider FilterXPath MaxEvents", "Oldest Force"),
    "group-object": cmdlet("Property", "NoElement AsHashTable AsString", 1),
    "join-path": cmdlet("Path ChildPath", "", 2),
    "measure-object": cmdlet("Property", "Sum Average Minimum Maximum", 1),
    "new-object": cmdlet("TypeName ArgumentList ComObject", "", 2),
    "out-null": cmdlet(),
    "select-object": cmdlet("Property ExpandProperty First Last Skip", "Unique", 1),
    "sort-object": cmdlet("Property", "Descending Unique CaseSensitive", 1),
    "split-path": cmdlet("Path", "Parent Leaf Qualifier NoQualifier IsAbsolute", 1),
    "start-sleep": cmdlet("Seconds Milliseconds"),
    "test-path": cmdlet("Path LiteralPath PathType", "IsValid", 1),
    "where-object": cmdlet("FilterScript", "", 1),
    "write-output": cmdlet("InputObject", "", 1),
}

# Not in 2.0: only after the fragment asked Get-Command for them.
NEWER: Mapping[str, Cmdlet] = {
    "get-bitlockervolume": cmdlet("MountPoint", "", 1),
    "get-dnsclientserveraddress": cmdlet("InterfaceIndex AddressFamily"),
    "get-localgroupmember": cmdlet("SID"),
    "get-localuser": cmdlet("SID"),
    "get-mpcomputerstatus": cmdlet(),
    "get-mppreference": cmdlet(),
    "get-netadapter": cmdlet("Name", "Physical IncludeHidden"),
    "get-netadapteradvancedproperty": cmdlet("Name RegistryKeyword", "AllProperties"),
    "get-netadapterpowermanagement": cmdlet("Name"),
    "get-netfirewallprofile": cmdlet("Name PolicyStore"),
    "get-nettcpconnection": cmdlet("State LocalPort"),
    "get-odbcdriver": cmdlet("Name Platform"),
    "get-odbcdsn": cmdlet("Name DsnType Platform"),
    "get-physicaldisk": cmdlet(),
    "get-smbclientconfiguration": cmdlet(),
    "get-smbconnection": cmdlet(),
    "get-smbopenfile": cmdlet(),
    "get-smbserverconfiguration": cmdlet(),
    "get-smbsession": cmdlet(),
    "get-smbshare": cmdlet("Name", "Special IncludeHidden"),
    "get-smbshareaccess": cmdlet("Name"),
    "get-scheduledtask": cmdlet("TaskName TaskPath"),
    "get-scheduledtaskinfo": cmdlet("TaskName TaskPath"),
    "get-storagereliabilitycounter": cmdlet("PhysicalDisk"),
}

# Every cmdlet takes it; its values are these. (`Ignore` is newer.)
ERROR_ACTIONS = names("Stop SilentlyContinue Continue")

# Why a name that comes to mind is not on the list.
REFUSED_COMMANDS: Mapping[str, str] = {
    "add-type": "it compiles code on the machine",
    "convertto-json": "PowerShell 2.0 lacks it; output hashtables, the prologue writes the JSON",
    "convertfrom-json": "PowerShell 2.0 lacks it",
    "format-list": "output hashtables; text of objects is localised",
    "format-table": "output hashtables; text of objects is localised",
    "get-ciminstance": "PowerShell 2.0 lacks it; use Wmi",
    "get-content": "contents of files stay on the machine",
    "get-counter": "names of counters are localised; use Wmi with a Win32_PerfRawData class",
    "get-filehash": "PowerShell 2.0 lacks it; use a SHA256CryptoServiceProvider",
    "get-wmiobject": "it has no time limit; use Wmi",
    "invoke-command": "it runs what cannot be read here",
    "invoke-expression": "it runs text as code",
    "out-file": "it writes a file",
    "out-string": "text of objects is localised; output hashtables",
    "start-process": "it starts a program",
    "write-error": "throw, or use Absent, Unsupported, Denied, Partial",
    "write-host": "there is nobody to read it; output is the section's data",
}

# The names that PowerShell 2.0 to 7 gives to cmdlets by itself: an alias goes before a function.
ALIASES = names(
    """% ? ac asnp cat cd cfs chdir clc clear clhy cli clp cls clv cnsn compare copy cp cpi cpp curl cvpa dbp
    del diff dir dnsn ebp echo epal epcsv epsn erase etsn exsn fc fhx fl foreach ft fw gal gbp gc gcai gcb gci
    gcm gcs gdr gerr ghy gi gin gjb gl gm gmo gp gps gpv group gsn gsnp gsv gtz gu gv gwmi h history icim icm
    iex ihy ii ilt inmo ipal ipcsv ipmo ipsn irm ise iwmi iwr kill lp ls man md measure mi mount move mp mv
    nal ncim ndr ni nmo npssc nsn nv ogv oh popd ps pumo pushd pwd r rbp rcim rcjb rcms rcsn rd rdr ren ri rjb
    rm rmdir rmo rni rnp rp rsn rsnp rujb rv rvpa rwmi sajb sal saps sasv sbp sc scb scim select set shcm si
    sl sleep sls sort sp spjb spps spsv start stz sujb sv swmi tee trcm type upmo where wget wjb write gcim
    gcls gcas help mkdir more prompt"""
)

# Programs: the whole line of arguments must match. Their text is localised, so there should be few.
PROGRAMS: Mapping[str, re.Pattern[str]] = {
    "w32tm.exe": re.compile(r"/query /(status( /verbose)?|configuration|peers|source)", re.IGNORECASE),
}

# --- types ------------------------------------------------------------------------------------

# Other names of types.
ACCELERATORS: Mapping[str, str] = {
    "int": "int32",
    "long": "int64",
    "short": "int16",
    "float": "single",
    "bool": "boolean",
    "ref": "management.automation.psreference",
    "regex": "text.regularexpressions.regex",
    "hashtable": "collections.hashtable",
    "switch": "management.automation.switchparameter",
    "ipaddress": "net.ipaddress",
    "xml": "xml.xmldocument",
    "scriptblock": "management.automation.scriptblock",
    "psobject": "management.automation.psobject",
    "pscustomobject": "management.automation.pscustomobject",
    "adsi": "directoryservices.directoryentry",
    "wmi": "management.managementobject",
    "wmiclass": "management.managementclass",
    "wmisearcher": "management.managementobjectsearcher",
    "powershell": "management.automation.powershell",
}

# Types that a value may be turned into, or compared with: doing so touches nothing but memory. Every
# type whose name ends in Exception is one as well.
VALUE_TYPES = names(
    """array boolean byte char collections.hashtable datetime decimal double guid int16 int32 int64
    management.automation.psreference management.automation.switchparameter net.ipaddress object sbyte single
    string text.regularexpressions.regex timespan uint16 uint32 uint64 version void
    collections.arraylist collections.ienumerable collections.idictionary collections.ilist dbnull enum
    iconvertible text.stringbuilder valuetype security.principal.securityidentifier
    security.principal.ntaccount"""
)

# Static members, by type: constants, and methods that only compute or read. `*`: all of an enumeration.
STATICS: Mapping[str, frozenset[str]] = {
    "array": names("IndexOf"),
    "bitconverter": names("ToString ToInt16 ToInt32 ToInt64 ToUInt16 ToUInt32 ToUInt64 GetBytes"),
    "boolean": names("Parse TryParse TrueString FalseString"),
    "byte": names("Parse TryParse MaxValue"),
    "char": names("IsDigit IsLetter IsLetterOrDigit IsUpper IsLower IsWhiteSpace"),
    "convert": names(
        """ToBase64String FromBase64String ToString ToByte ToInt16 ToInt32 ToInt64 ToUInt16 ToUInt32 ToUInt64
        ToDouble ToChar ToBoolean"""
    ),
    "datetime": names(
        """Now UtcNow MinValue MaxValue Parse ParseExact TryParse TryParseExact FromFileTime FromFileTimeUtc
        FromOADate SpecifyKind Compare DaysInMonth"""
    ),
    "datetimekind": names("*"),
    "dayofweek": names("*"),
    "dbnull": names("Value"),
    "decimal": names("Parse TryParse Round Floor Truncate MaxValue"),
    "diagnostics.fileversioninfo": names("GetVersionInfo"),
    "diagnostics.process": names("GetCurrentProcess"),
    "diagnostics.stopwatch": names("StartNew GetTimestamp Frequency"),
    "double": names("Parse TryParse IsNaN IsInfinity"),
    "environment": names(
        """GetEnvironmentVariable MachineName OSVersion ProcessorCount UserDomainName TickCount Version
        NewLine SystemDirectory GetFolderPath ExpandEnvironmentVariables"""
    ),
    "globalization.cultureinfo": names(
        "InvariantCulture CurrentCulture CurrentUICulture InstalledUICulture GetCultureInfo"
    ),
    "globalization.datetimestyles": names("*"),
    "globalization.numberstyles": names("*"),
    "int16": names("Parse TryParse MaxValue MinValue"),
    "int32": names("Parse TryParse MaxValue MinValue"),
    "int64": names("Parse TryParse MaxValue MinValue"),
    "intptr": names("Size"),
    "io.directory": names("Exists GetFiles GetDirectories GetLogicalDrives"),
    "io.driveinfo": names("GetDrives"),
    "io.drivetype": names("*"),
    "io.file": names("Exists GetLastWriteTimeUtc GetCreationTimeUtc GetAttributes"),
    "io.fileattributes": names("*"),
    "io.fileaccess": names("Read"),
    "io.filemode": names("Open"),
    "io.fileshare": names("Read ReadWrite Delete"),
    "io.path": names(
        """GetFileName GetFileNameWithoutExtension GetExtension GetDirectoryName GetPathRoot IsPathRooted
        Combine DirectorySeparatorChar"""
    ),
    "math": names("Abs Ceiling Exp Floor Log Log10 Max Min Pow Round Sign Sqrt Truncate"),
    "microsoft.win32.registry": names("LocalMachine Users CurrentUser ClassesRoot"),
    "microsoft.win32.registryvaluekind": names("*"),
    "net.dns": names("GetHostAddresses GetHostEntry GetHostName"),
    "net.ipaddress": names("Parse TryParse Any Loopback None"),
    "net.networkinformation.ipglobalproperties": names("GetIPGlobalProperties"),
    "net.networkinformation.networkinterface": names("GetAllNetworkInterfaces GetIsNetworkAvailable"),
    "net.sockets.addressfamily": names("*"),
    "security.cryptography.x509certificates.openflags": names("ReadOnly OpenExistingOnly"),
    "security.cryptography.x509certificates.storelocation": names("*"),
    "security.cryptography.x509certificates.storename": names("*"),
    "security.cryptography.x509certificates.x509nametype": names("*"),
    "security.principal.wellknownsidtype": names("*"),
    "security.principal.windowsbuiltinrole": names("*"),
    "security.principal.windowsidentity": names("GetCurrent"),
    "serviceprocess.servicecontrollerstatus": names("*"),
    "string": names("Join Format IsNullOrEmpty Compare CompareOrdinal Concat Equals Empty"),
    "stringcomparer": names("OrdinalIgnoreCase InvariantCultureIgnoreCase Ordinal"),
    "stringcomparison": names("*"),
    "text.encoding": names("ASCII UTF8 Unicode Default BigEndianUnicode GetEncoding"),
    "text.regularexpressions.regex": names("IsMatch Match Matches Replace Split Escape Unescape"),
    "text.regularexpressions.regexoptions": names("*"),
    "timespan": names("FromDays FromHours FromMinutes FromSeconds FromMilliseconds FromTicks Zero Parse"),
    "timezone": names("CurrentTimeZone"),
    "timezoneinfo": names("Local Utc ConvertTimeToUtc"),
    "uint16": names("Parse TryParse MaxValue"),
    "uint32": names("Parse TryParse MaxValue"),
    "uint64": names("Parse TryParse MaxValue"),
}

# Types that New-Object may make.
NEW_OBJECTS = names(
    """collections.arraylist collections.generic.dictionary collections.generic.list collections.hashtable
    collections.queue collections.sortedlist collections.stack datetime diagnostics.stopwatch
    diagnostics.eventing.reader.eventlogconfiguration diagnostics.eventing.reader.eventlogquery
    diagnostics.eventing.reader.eventlogreader diagnostics.eventing.reader.eventlogpropertyselector
    directoryservices.directorysearcher
    io.directoryinfo io.driveinfo io.fileinfo io.filestream net.sockets.tcpclient
    security.accesscontrol.rawsecuritydescriptor
    security.cryptography.md5cryptoserviceprovider security.cryptography.sha1cryptoserviceprovider
    security.cryptography.sha256cryptoserviceprovider security.cryptography.sha256managed
    security.cryptography.x509certificates.x509store security.principal.ntaccount
    security.principal.securityidentifier security.principal.windowsprincipal
    text.stringbuilder timespan version"""
)

COM_OBJECTS = names("Schedule.Service Microsoft.Update.SystemInfo")

# --- members of values ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Method:
    """How many arguments; `arguments`: what the text of the n-th one must match, if it is there."""

    most: int = 9
    least: int = 0
    arguments: Mapping[int, re.Pattern[str]] = field(default_factory=dict[int, "re.Pattern[str]"])


ANY = Method()
# .NET reads 'Open, Create' as both and FileShare names are flags; the word alone is meant.
READ_ONLY = re.compile(r"'ReadOnly'|\[[\w.]*\bOpenFlags\]::ReadOnly", re.IGNORECASE)

# Methods of any value.
METHODS: Mapping[str, Method] = {
    **dict.fromkeys(
        names(
            """AddDays AddHours AddMinutes AddMilliseconds AddMonths AddSeconds AddTicks AddYears CompareTo
            ComputeHash Contains ContainsKey ContainsValue EndsWith Equals GetAccessRules
            GetAddressBytes GetActiveTcpConnections GetActiveTcpListeners GetActiveUdpListeners
            GetBytes GetCertHashString GetDirectories GetEnumerator GetFiles GetIPProperties
            GetIPv4Properties GetIPv4Statistics GetLength GetNameInfo GetOwner
            GetPhysicalAddress GetPropertyValues GetSecurityDescriptorSddlForm GetString
            GetSubKeyNames GetUpperBound GetUtcOffset GetValueKind GetValueNames IndexOf
            IsDaylightSavingTime IsInRole IsMatch LastIndexOf Match Matches PadLeft PadRight
            ReadByte ReadEvent Split StartsWith Substring Subtract ToArray ToCharArray
            ToFileTime ToFileTimeUtc ToLocalTime ToLower ToLowerInvariant ToString
            ToUniversalTime ToUpper ToUpperInvariant Translate Trim TrimEnd TrimStart WaitOne"""
        ),
        ANY,
    ),
    "beginconnect": ANY,  # of a TCP client: is a port open
    "findall": Method(0),  # of a directory searcher
    "endconnect": Method(1),
    "close": Method(0),
    "connect": Method(0),  # of the task scheduler
    "dispose": Method(0),
    "get": Method(0),
    "getfolder": Method(1),  # of the task scheduler
    "getfolders": Method(1),
    "gettasks": Method(1),
    "getsddlform": Method(1, 1),  # of a RawSecurityDescriptor: bytes that were read, as text
    "gettype": Method(0),
    "getvalue": Method(3),
    "item": Method(1),
    "open": Method(1, 1, {0: READ_ONLY}),  # of a certificate store
    "opensubkey": Method(1),  # the second argument would ask to write
    "read": Method(3),
    "readline": Method(0),
    "seek": Method(2),  # of a stream that can only be read
}

COLLECTION_METHODS = names(
    "Add AddRange Clear Insert Remove RemoveAt Reverse Sort Push Pop Enqueue Dequeue Peek"
)
# Methods that only a value of a type that is seen in the script may have: bound to nothing else.
METHODS_OF: Mapping[str, frozenset[str]] = {
    "collections.arraylist": COLLECTION_METHODS,
    "collections.generic.dictionary": COLLECTION_METHODS,
    "collections.generic.list": COLLECTION_METHODS,
    "collections.hashtable": COLLECTION_METHODS,
    "collections.queue": COLLECTION_METHODS,
    "collections.sortedlist": COLLECTION_METHODS,
    "collections.stack": COLLECTION_METHODS,
    "diagnostics.stopwatch": names("Reset Start Stop"),
    "string": names("Insert Remove Replace"),
    "text.stringbuilder": names("Append AppendLine Insert Remove Replace"),
}
# What these hand back is of the same type as what they were called on, or a text.
KEEPS_TYPE = names("Append AppendLine")
GIVES_TEXT = names(
    """Insert Remove Replace PadLeft PadRight Substring ToLower ToLowerInvariant ToString ToUpper
    ToUpperInvariant Trim TrimEnd TrimStart"""
)
STATIC_TEXT = frozenset(
    {("string", "join"), ("string", "format"), ("convert", "tobase64string"), ("bitconverter", "tostring")}
    | {("text.regularexpressions.regex", "replace"), ("convert", "tostring")}
)

# Properties that may be set, by the type that is seen: they exist in this script's memory only.
SETTABLE: Mapping[str, frozenset[str]] = {
    "collections.hashtable": names("*"),
    "diagnostics.eventing.reader.eventlogquery": names("ReverseDirection TolerateQueryErrors"),
    "text.stringbuilder": names("Length"),
}

# Properties through which any method could be reached.
REFUSED_PROPERTIES = names(
    "Methods InvokeCommand SessionState BaseObject ImmediateBaseObject Module Assembly"
)

# --- variables --------------------------------------------------------------------------------

# What PowerShell sets by itself in 2.0 and a fragment may read.
AUTOMATIC = names("_ null true false args input error matches this psversiontable pshome pid")
SETTINGS = names("ErrorActionPreference WarningPreference ProgressPreference")
REFUSED_VARIABLES: Mapping[str, str] = {
    "executioncontext": "it runs text as code",
    "host": "there is no console",
    "psboundparameters": "it is there to be handed on unread",
    "pscmdlet": "it runs commands",
    "psdefaultparametervalues": "it would change what cmdlets do",
    "psitem": "PowerShell 2.0 lacks it; write $_",
    "psscriptroot": "there is no file",
    "pscommandpath": "there is no file",
    "iswindows": "PowerShell 2.0 lacks it",
    "islinux": "PowerShell 2.0 lacks it",
    "ismacos": "PowerShell 2.0 lacks it",
    "iscoreclr": "PowerShell 2.0 lacks it",
    "profile": "it names a file of the account's own",
    "$": "it is of the console",
    "^": "it is of the console",
    "ofs": "it would change how texts are made",
}

# --- texts ------------------------------------------------------------------------------------

# Operators that 2.0 lacks.
NEWER_OPERATORS = names("-in -notin -shl -shr -inotin -cin -cnotin")
# What Windows translates: comparing it with an English word fails on a German machine.
LOCALISED = names(
    """Caption Description DisplayName LevelDisplayName TaskDisplayName OpcodeDisplayName KeywordsDisplayNames
    Message StatusDescr InstalledOn"""
)
# Places of secrets.
SECRETS = re.compile(
    r"\\(SAM|SECURITY)\\|\\Policy\\Secrets|DefaultPassword|MachineKeys|\\Crypto\\(RSA|Keys)|Microsoft\\Protect"
    r"|\\Credentials?\b|\\Vault\b|ntds\.dit|unattend\.xml|\.(pfx|p12|kdbx)\b|cpassword",
    re.IGNORECASE,
)

# --- the prologue -----------------------------------------------------------------------------

# Functions of lib.ps1 that are not there for fragments.
INTERNAL_FUNCTIONS = names("WmiRows Answer Encoded WriteJson WriteJsonText")

# What a file of probes/powershell may do beyond a fragment, and why. A permission that is not used is a
# problem as well.
PROLOGUE: Mapping[str, Mapping[str, str]] = {
    "lib.ps1": {
        "operator &": "Answer runs the fragment of a section",
        "type management.automation.scriptblock": "the fragment is a script block",
        "variable CheckupComputer": "the bundle or the caller sets it, to ask a neighbour",
        "set CheckupPartial": "it holds what Partial was told",
        "new management.enumerationoptions": "Wmi: a time limit for the query",
        "new management.managementobjectsearcher": "Wmi: SELECT queries only",
        "property Timeout": "of the query's options",
        "property ReturnImmediately": "of the query's options",
        "property Rewindable": "of the query's options",
        "method GetPropertyValue": "of a management object",
    },
    "boot.ps1": {
        "operator .": "it takes over the functions of lib.ps1",
        "variable CheckupBatch": "stands above it in the batch",
        "variable CheckupChecksums": "stands above it in the batch",
        "variable CheckupComputer": "stands above it in the batch, where a neighbour is asked",
        "variable CheckupLibrary": "stands above it in the batch",
        "variable CheckupPipeline": "stands above it in the batch",
        "variable ExecutionContext": "HELLO says the language mode",
        "property SessionState": "HELLO says the language mode",
        "type management.automation.scriptblock": "a section's code is a script block",
        "static console::Out": "frames go to standard output",
        "static console::OutputEncoding": "HELLO says the code page",
        "static environment::Exit": "the last statement: it ends what a hung section left behind",
        "method Write": "to standard output",
        "method Flush": "of standard output",
        "static management.automation.runspaces.runspacefactory::CreateRunspace": "sections have deadlines",
        "static management.automation.powershell::Create": "sections have deadlines",
        "property Runspace": "of the section's worker",
        "method Open": "of the worker's runspace",
        "method AddScript": "lib.ps1, and a section's code as it stands in the batch",
        "method AddArgument": "a section's parameters",
        "method Invoke": "lib.ps1 in the worker",
        "method BeginInvoke": "a section in the worker",
        "method EndInvoke": "a section in the worker",
        "method BeginStop": "a section beyond its deadline",
    },
    "bundle.ps1": {
        "cmdlet Invoke-Command": "a batch on a neighbour, as it stands in the bundle",
        "cmdlet Out-File": "the one file of the answer, which a person carries away",
        "cmdlet Write-Host": "the person who runs it is told what goes on",
        "operator &": "the batches that stand below it in the bundle",
        "new management.automation.remoting.pssessionoption": "time limits for a neighbour",
        "property OpenTimeout": "of the session's options",
        "property OperationTimeout": "of the session's options",
        "property NoMachineProfile": "of the session's options: no profile is made on the neighbour",
        "set CheckupComputer": "Wmi asks that neighbour",
        "set CheckupPipeline": "frames go into the pipeline, so that they can be written to the file",
        "variable CheckupBatch": "HelloFrom runs within a batch",
        "variable MyInvocation": "the answer is laid beside the script",
    },
}
