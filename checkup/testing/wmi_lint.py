"""Which management classes a collector may ask, and how. What is not listed here is refused.

A class or a namespace is added by its name; `NEEDS_WHERE` are classes that would list a whole disk, domain
or log without a condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from checkup.api import Wmi, WmiQuery
from checkup.testing.powershell_allowed import names

CIMV2 = "root\\cimv2"


CLASSES: Mapping[str, frozenset[str]] = {
    CIMV2: names(
        """Win32_BIOS Win32_BaseBoard Win32_Battery Win32_ComputerSystem Win32_ComputerSystemProduct
        Win32_CurrentTime Win32_DesktopMonitor Win32_DiskDrive Win32_DiskDriveToDiskPartition
        Win32_DiskPartition
        Win32_DiskQuota Win32_Environment Win32_Fan Win32_Group Win32_GroupUser Win32_IP4RouteTable
        Win32_IRQResource Win32_Keyboard Win32_LocalTime Win32_LogicalDisk Win32_LogicalDiskToPartition
        Win32_LogicalShareSecuritySetting Win32_LoggedOnUser Win32_LogonSession Win32_MemoryArray
        Win32_MountPoint Win32_NTDomain Win32_NTEventLogFile Win32_NTLogEvent Win32_NetworkAdapter
        Win32_NetworkAdapterConfiguration Win32_NetworkClient Win32_NetworkConnection Win32_NetworkProtocol
        Win32_OSRecoveryConfiguration Win32_OperatingSystem Win32_OptionalFeature Win32_PageFile
        Win32_PageFileSetting Win32_PageFileUsage Win32_PhysicalMemory Win32_PhysicalMemoryArray
        Win32_PingStatus Win32_PnPEntity Win32_PnPSignedDriver Win32_PointingDevice Win32_PortableBattery
        Win32_PowerManagementEvent Win32_PrintJob Win32_Printer Win32_PrinterConfiguration
        Win32_PrinterDriver Win32_Process Win32_Processor Win32_Proxy Win32_QuickFixEngineering
        Win32_QuotaSetting Win32_SCSIController Win32_SerialPort Win32_ServerConnection
        Win32_ServerFeature Win32_ServerSession Win32_Service Win32_Session Win32_ShadowCopy
        Win32_ShadowStorage Win32_Share Win32_SoundDevice Win32_StartupCommand Win32_SystemAccount
        Win32_SystemDriver Win32_SystemEnclosure Win32_SystemServices Win32_TSGeneralSetting
        Win32_TapeDrive Win32_TemperatureProbe Win32_TerminalService Win32_TimeZone Win32_USBController
        Win32_USBControllerDevice Win32_USBHub Win32_UTCTime Win32_UserAccount Win32_UserProfile
        Win32_VideoController Win32_VoltageProbe Win32_Volume Win32_WindowsProductActivation
        SoftwareLicensingProduct SoftwareLicensingService CIM_DataFile"""
    ),
    "root\\cimv2\\power": names("Win32_PowerPlan Win32_PowerSetting Win32_PowerSettingDataIndex"),
    "root\\cimv2\\security\\microsofttpm": names("Win32_Tpm"),
    "root\\cimv2\\security\\microsoftvolumeencryption": names("Win32_EncryptableVolume"),
    "root\\cimv2\\terminalservices": names(
        "Win32_TerminalServiceSetting Win32_TSGeneralSetting Win32_TSSessionSetting"
    ),
    "root\\microsoft\\windows\\defender": names(
        "MSFT_MpComputerStatus MSFT_MpPreference MSFT_MpThreatDetection"
    ),
    "root\\microsoft\\windows\\deviceguard": names("Win32_DeviceGuard"),
    "root\\microsoft\\windows\\smb": names(
        """MSFT_SmbClientConfiguration MSFT_SmbClientNetworkInterface MSFT_SmbConnection MSFT_SmbOpenFile
        MSFT_SmbServerConfiguration MSFT_SmbServerNetworkInterface MSFT_SmbSession MSFT_SmbShare
        MSFT_SmbShareAccessControlEntry"""
    ),
    "root\\microsoft\\windows\\storage": names(
        """MSFT_Disk MSFT_FileShare MSFT_Partition MSFT_PhysicalDisk MSFT_StorageJob MSFT_StoragePool
        MSFT_StorageReliabilityCounter MSFT_StorageSubSystem MSFT_VirtualDisk MSFT_Volume"""
    ),
    "root\\microsoft\\windows\\taskscheduler": names("MSFT_ScheduledTask"),
    "root\\securitycenter": names("AntiVirusProduct FirewallProduct"),
    "root\\securitycenter2": names("AntiVirusProduct AntiSpywareProduct FirewallProduct"),
    "root\\standardcimv2": names(
        """MSFT_DNSClientServerAddress MSFT_NetAdapter MSFT_NetAdapterAdvancedPropertySettingData
        MSFT_NetAdapterHardwareInfoSettingData MSFT_NetAdapterPowerManagementSettingData
        MSFT_NetAdapterRdmaSettingData MSFT_NetAdapterRssSettingData MSFT_NetAdapterStatisticsSettingData
        MSFT_NetConnectionProfile MSFT_NetFirewallProfile MSFT_NetIPAddress MSFT_NetIPInterface
        MSFT_NetLbfoTeam MSFT_NetLbfoTeamMember MSFT_NetNeighbor MSFT_NetRoute MSFT_NetTCPConnection
        MSFT_NetUDPEndpoint"""
    ),
    "root\\wmi": names(
        """MSAcpi_ThermalZoneTemperature MSPower_DeviceEnable MSPower_DeviceWakeEnable MSSerial_PortName
        MSStorageDriver_ATAPISmartData MSStorageDriver_FailurePredictData MSStorageDriver_FailurePredictStatus
        MSStorageDriver_FailurePredictThresholds MSNdis_LinkSpeed MSNdis_MediaConnectStatus WmiMonitorID
        WmiMonitorBasicDisplayParams WmiMonitorConnectionParams BatteryStatus BatteryFullChargedCapacity
        BatteryStaticData"""
    ),
}

ALL_CLASSES = frozenset(name for classes in CLASSES.values() for name in classes)

# Asking these already does something, or takes minutes.
REFUSED: Mapping[str, str] = {
    "win32_product": "asking for it checks and repairs every installed package; read the Uninstall keys",
    "win32_softwarefeature": "asking for it checks and repairs every installed package",
    "win32_directory": "it lists every folder of every disk",
    "win32_subdirectory": "it lists every folder of every disk",
    "win32_reliabilityrecords": "it holds texts of messages",
    "win32_account": "it walks the domain; ask Win32_UserAccount WHERE LocalAccount=TRUE",
}
NEEDS_WHERE = names(
    """CIM_DataFile Win32_GroupUser Win32_Group Win32_NTLogEvent Win32_PingStatus Win32_UserAccount
    Win32_SystemAccount"""
)

# Performance counters, raw or cooked: all of them only count.
COUNTERS = re.compile(r"win32_perf(raw|formatted)data_\w+")

# Names of classes inside of any text.
CLASS = re.compile(r"\b(?:Win32|CIM|MSFT|MSStorageDriver|MSPower|MSNdis|MSAcpi|MSSerial)_\w+", re.IGNORECASE)
IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,79}")

# WHERE: comparisons of a property with a text or a number, joined by AND, OR and brackets.
CONDITION = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\[\\'])*'|"(?:[^"\\]|\\[\\"])*")|(?P<number>-?\d+)
          |(?P<word>[A-Za-z_]\w*)|(?P<sign><>|!=|<=|>=|[=<>()]))""",
    re.VERBOSE,
)
CONDITION_WORDS = names("AND OR NOT LIKE IS NULL TRUE FALSE")


def classes_in(text: str) -> list[str]:
    return CLASS.findall(text)


def namespace_problem(namespace: str) -> str:
    """ "" where the namespace is on the list."""
    if namespace.lower() in CLASSES:
        return ""
    return f"namespace {namespace} is not on the list CLASSES of wmi_lint"


def class_problem(name: str, namespace: str | None = None, *, filtered: bool = True) -> str:
    """ "" where the class may be asked, in this namespace or (without one) in any."""
    key = name.lower()
    if key in REFUSED:
        return f"{name} is refused: {REFUSED[key]}"
    known = ALL_CLASSES if namespace is None else CLASSES.get(namespace.lower(), names(""))
    counter = COUNTERS.fullmatch(key) and (namespace or CIMV2).lower() == CIMV2
    if key not in known and not counter:
        return f"class {name} is not on the list CLASSES of wmi_lint" + (
            f" for {namespace}" if namespace else ""
        )
    if key in NEEDS_WHERE and not filtered:
        return f"{name} without a condition lists too much"
    return ""


def wmi_problems(collector: Wmi) -> list[str]:
    """What is wrong with the queries of a `Wmi` collector."""
    asked = [query.wmi_class.lower() for query in collector.queries]
    twice = [
        f"{name} is asked twice: the raw data has one list for it" for name in asked if asked.count(name) > 1
    ]
    none = [] if asked else ["it asks nothing"]
    return none + list(dict.fromkeys(twice)) + [one for q in collector.queries for one in query_problems(q)]


def query_problems(query: WmiQuery) -> list[str]:
    """What is wrong with one query."""
    found = [namespace_problem(query.namespace)]
    found.append(class_problem(query.wmi_class, query.namespace, filtered=bool(query.where)))
    if not query.properties:
        found.append(f"{query.wmi_class}: name the properties")
    found += [
        f"{query.wmi_class}: {name!r} is no plain name of a property"
        for name in query.properties
        if not IDENTIFIER.fullmatch(name)
    ]
    if len(set(query.properties)) < len(query.properties):
        found.append(f"{query.wmi_class}: a property is named twice")
    if query.where:
        found += [f"{query.wmi_class}: {text}" for text in condition_problems(query.where)]
    return [text for text in found if text]


def condition_problems(where: str) -> list[str]:
    """What in a WHERE is not a comparison of properties with values."""
    return list(dict.fromkeys(_condition_problems(where)))


def _condition_problems(where: str) -> Iterator[str]:
    place, depth, words = 0, 0, 0
    text = where.rstrip()
    while place < len(text):
        found = CONDITION.match(text, place)
        if found is None:
            yield f"WHERE cannot be read from {text[place : place + 20]!r}"
            return
        place = found.end()
        depth += {"(": 1, ")": -1}.get(found["sign"] or "", 0)
        if depth < 0:
            yield "WHERE closes a bracket that is not open"
            return
        word = (found["word"] or "").lower()
        words += bool(word) and word not in CONDITION_WORDS
        if word in (
            "select",
            "from",
            "where",
            "group",
            "within",
            "having",
            "associators",
            "references",
            "of",
        ):
            yield f"WHERE may not hold {found['word']}"
    if depth:
        yield "WHERE leaves a bracket open"
    if not words:
        yield "WHERE compares no property"
