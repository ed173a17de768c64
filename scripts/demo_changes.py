"""What is the matter with the clinic's Windows machines: named changes of a healthy machine's raw sections.

A change is given the sections, which it may alter, and how many days before today the visit was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from demo_answers import grown

Raw = dict[str, Any]
Change = Callable[[Raw, int], None]

GIB = 1024**3


def lately(change: Change) -> Change:
    """The change came after the last visit."""
    return lambda raw, days: change(raw, days) if days == 0 else None


def earlier(change: Change) -> Change:
    """It was so at the earlier visits, and is so no more."""
    return lambda raw, days: change(raw, days) if days > 0 else None


def _program(name: str, version: str, publisher: str, bits: int = 64) -> Raw:
    """A row of the list of installed programs."""
    return {
        "name": name,
        "version": version,
        "publisher": publisher,
        "date": "day 400 days before today",
        "bits": bits,
        "user": False,
        "hidden": False,
    }


def _events(provider: str, number: int, count: int, first: str, last: str, *fields: str) -> Raw:
    """A group of errors in an event log."""
    return {
        "provider": provider,
        "id": number,
        "level": 2,
        "fields": list(fields),
        "count": count,
        "first": first,
        "last": last,
    }


# --- the file server --------------------------------------------------------------------------


def serves_smb1(raw: Raw, days: int) -> None:
    """SMB 1 was switched on for an old scanner, and nobody remembers."""
    raw["smb-server"]["MSFT_SmbServerConfiguration"][0]["EnableSMB1Protocol"] = True
    raw["smb-server"]["smb1_driver"] = True
    raw["smb-server"]["registry"]["SMB1"] = 1


def offline_files_by_hand(raw: Raw, days: int) -> None:
    """The share with the databases still has Windows' default: users may take its files offline."""
    raw["shares"]["MSFT_SmbShare"][0]["CachingMode"] = 1
    listed = raw["shares"]["listed"][0]
    listed["values"] = [value.replace("CSCFlags=48", "CSCFlags=0") for value in listed["values"]]


def leasing(raw: Raw, days: int) -> None:
    raw["shares"]["MSFT_SmbShare"][0]["LeasingMode"] = 0


def open_to_all(raw: Raw, days: int) -> None:
    """Everyone has full control of the share and of its folder."""
    everyone = "D:(A;OICI;FA;;;WD)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
    raw["shares"]["MSFT_SmbShare"][0]["SecurityDescriptor"] = everyone
    for row in (*raw["shares"]["listed"], *raw["shares"]["folders"]):
        row["sddl"] = everyone


def failed_export(raw: Raw, days: int) -> None:
    """A password was changed, and a nightly job still has the old one."""
    raw["tasks"]["tasks"].append(
        {
            "path": "\\Clinic\\Registry export",
            "enabled": True,
            "result": 0x8007052E,
            "last": "0.45 days ago",
            "next": "-0.55 days ago",
            "missed": 0,
            "program": "export.cmd",
        }
    )


def filling(drive: str, *, size_gib: int, used_gib: float, gib_a_month: float) -> Change:
    """A drive that holds `used_gib` today, and gets fuller every month."""

    def change(raw: Raw, days: int) -> None:
        used = round((used_gib - grown(gib_a_month, days)) * GIB)
        size = size_gib * GIB
        for row in raw["volumes"]["Win32_LogicalDisk"]:
            if row["DeviceID"] == drive:
                row |= {"Size": size, "FreeSpace": size - used}
        for row in raw["volumes"]["Win32_Volume"]:
            if row["DriveLetter"] == drive:
                row |= {"Capacity": size, "FreeSpace": size - used}

    return change


# --- the system, and the machine --------------------------------------------------------------


def runs_for(up_days: float, *, free_gib: float) -> Change:
    """It was started so many days before each visit, has counted so long, and has this much memory free."""

    def change(raw: Raw, days: int) -> None:
        raw["system"]["Win32_OperatingSystem"][0]["LastBootUpTime"] = f"cim {up_days} days ago"
        raw["resources"]["Win32_OperatingSystem"][0] |= {
            "FreePhysicalMemory": round(free_gib * 1024**2),
            "FreeVirtualMemory": round((free_gib + 1.9) * 1024**2),
        }
        for section, counters in COUNTED.items():
            for row in raw[section][counters]:
                row |= {
                    name: round(value * up_days / COUNTED_DAYS)
                    for name, value in row.items()
                    if isinstance(value, int) and name != "Frequency_PerfTime"
                }
        for event in raw["network-interruptions"]["system"]:
            event["at"] = f"{up_days + STARTS[event['provider'], event['id']]:.4f} days ago"

    return change


# Counters that begin at the start; those of the healthy workstation stand for so many days.
COUNTED_DAYS = 4.3
COUNTED = {
    "smb-client-shares": "Win32_PerfRawData_Counters_SMBClientShares",
    "tcp-segments": "Win32_PerfRawData_Tcpip_TCPv4",
    "volume-speed": "Win32_PerfRawData_PerfDisk_LogicalDisk",
}

# The events of a start, in days before it.
STARTS = {
    ("Microsoft-Windows-Kernel-General", 13): 0.02,
    ("Microsoft-Windows-Kernel-General", 12): 0.0,
    ("e1dexpress", 27): -0.0005,
}


def windows_10(raw: Raw, days: int) -> None:
    """It was not moved to Windows 11 in time, and has had no updates since."""
    raw["system"]["Win32_OperatingSystem"][0] |= {
        "Caption": "Microsoft Windows 10 Pro",
        "Version": "10.0.19045",
        "BuildNumber": "19045",
        "OperatingSystemSKU": 48,
    }
    raw["system"]["release"] |= {"DisplayVersion": "22H2", "ReleaseId": "2009", "UBR": 6456}
    raw["smb-server"]["build"] = "19045"
    raw["updates"]["newest"] = "filetime 404 days before today"


def old_machine(raw: Raw, days: int) -> None:
    """It came with the first installation, and so did what is on it."""
    for section in ("hardware", "power-plan"):
        raw[section]["Win32_ComputerSystem"][0]["Model"] = "Desk 210"
    raw["hardware"]["Win32_BIOS"][0]["ReleaseDate"] = "cim 2790 days before today"
    name = "Microsoft Visual C++ 2010  x64 Redistributable - 10.0.40219"
    raw["software"]["programs"].append(_program(name, "10.0.40219", "Microsoft Corporation"))


def laptop(raw: Raw, days: int) -> None:
    """It stands on the echo lab's cart; its disk hides behind the chipset's controller."""
    for section in ("hardware", "power-plan"):
        raw[section]["Win32_ComputerSystem"][0]["Model"] = "Book 14"
    raw["disk-encryption"]["Win32_SystemEnclosure"][0]["ChassisTypes"] = [10]
    raw["disk-health"]["Win32_DiskDrive"][0]["Model"] = "HALDEN RST RAID 0"
    raw["disk-health"]["MSFT_PhysicalDisk"][0] |= {"FriendlyName": "HALDEN RST RAID 0", "BusType": 8}
    silent = dict.fromkeys(("Wear", "Temperature", "PowerOnHours"))
    raw["disk-health"]["MSFT_StorageReliabilityCounter"][0] |= silent


def falls_asleep(raw: Raw, days: int) -> None:
    raw["power-plan"]["sleep"] = 1800


def wearing_disk(*, today: float, a_month: float) -> Change:
    """A flash disk that has used `today` percent of its writes."""

    def change(raw: Raw, days: int) -> None:
        counters = raw["disk-health"]["MSFT_StorageReliabilityCounter"][0]
        counters |= {"Wear": round(today - grown(a_month, days)), "PowerOnHours": 31200 - 24 * days}

    return change


def waits_for_restart(raw: Raw, days: int) -> None:
    raw["system"]["restart"] |= {"servicing": True, "update": True}


def power_losses(*before_today: float) -> Change:
    """Somebody pulls the plug: starts without a shutdown before them, so many days before today."""

    def change(raw: Raw, days: int) -> None:
        for ago in sorted(before_today):
            if ago > days:
                at = f"{ago} days before today"
                raw["boots"]["events"] += [
                    {"provider": "Microsoft-Windows-Kernel-Power", "id": 41, "at": at, "code": "0"},
                    {"provider": "EventLog", "id": 6008, "at": at, "code": ""},
                ]

    return change


# --- the network ------------------------------------------------------------------------------

WIFI_GUID = "{0C2D4E61-93B7-4A58-8F1E-71D0A6B2C944}"
WIFI_CARD = "Intel(R) Wi-Fi 6E AX211 160MHz"
WIFI_DEVICE = "PCI\\VEN_8086&DEV_51F0&SUBSYS_00908086&REV_01\\3&11583659&0&A3"


def on_wifi(raw: Raw, days: int) -> None:
    """The cart was moved to a room without a socket: the same address, over the air."""
    found = raw["network-adapters"]
    found["Win32_NetworkAdapterConfiguration"][0] |= {
        "InterfaceIndex": 16,
        "SettingID": WIFI_GUID,
        "Description": WIFI_CARD,
    }
    found["Win32_NetworkAdapter"].append(
        {
            "InterfaceIndex": 16,
            "GUID": WIFI_GUID,
            "Name": WIFI_CARD,
            "NetConnectionID": "Wi-Fi",
            "PNPDeviceID": WIFI_DEVICE,
            "PhysicalAdapter": True,
            "AdapterTypeID": 0,
        }
    )
    for route in found["Win32_IP4RouteTable"]:
        route["InterfaceIndex"] = 16 if route["InterfaceIndex"] == 12 else route["InterfaceIndex"]
    found["MSFT_NetAdapter"].append(
        {"InterfaceGuid": WIFI_GUID, "NdisPhysicalMedium": 9, "HardwareInterface": True}
    )
    found["kinds"].append({"guid": WIFI_GUID, "type": 71})
    raw["interfaces"]["MSFT_NetAdapter"][0] |= {
        "Name": "Wi-Fi",
        "InterfaceDescription": WIFI_CARD,
        "Speed": 390_000_000,
        "NdisPhysicalMedium": 9,
    }
    raw["interfaces"]["MSFT_NetAdapterStatisticsSettingData"][0]["Name"] = "Wi-Fi"
    raw["network-adapters-power"]["Win32_NetworkAdapter"][0] |= {
        "Name": WIFI_CARD,
        "NetConnectionID": "Wi-Fi",
        "PNPDeviceID": WIFI_DEVICE,
    }
    raw["network-adapters-power"]["MSPower_DeviceEnable"][0] = {
        "InstanceName": f"{WIFI_DEVICE}_0",
        "Enable": True,
    }
    raw["tcp-segments"]["Win32_PerfRawData_Tcpip_TCPv4"][0]["SegmentsRetransmittedPersec"] *= 4
    for backend in raw["backends"]["backends"]:
        backend["connect_ms"] = [round(2.6 + 0.13 * number, 2) for number in range(backend["tries"])]
    share = raw["smb-client-shares"]["Win32_PerfRawData_Counters_SMBClientShares"][0]
    share["AvgReadQueueLength"] *= 15
    share["AvgWriteQueueLength"] *= 9
    raw["network-interruptions"]["server"] += [
        {"provider": "Microsoft-Windows-SMBClient", "id": 30807, "at": f"{ago} days ago"}
        for ago in (0.21, 1.14, 1.33, 2.05, 2.9, 3.12, 3.4)
    ]
    raw["network-interruptions"]["profile"] += [
        {"provider": "Microsoft-Windows-NetworkProfile", "id": 10001, "at": f"{ago} days ago"}
        for ago in (0.2102, 1.1402, 2.9001, 3.1203)
    ]


# --- devices ----------------------------------------------------------------------------------

KEYBOARDS = "{4d36e96b-e325-11ce-bfc1-08002be10318}"
HID_DEVICES = "{745a17a0-74d3-11d0-b6fe-00a0c90f57da}"


def barcode_readers(count: int) -> Change:
    """So many readers, which type like a keyboard."""

    def change(raw: Raw, days: int) -> None:
        for number in range(count):
            device = f"VID_05E0&PID_1200\\6&2E51A70&0&{number + 1}"
            raw["barcode-readers"]["Win32_PnPEntity"] += [
                {
                    "DeviceID": f"USB\\{device}",
                    "Name": "Symbol Bar Code Scanner",
                    "ClassGuid": HID_DEVICES,
                    "ConfigManagerErrorCode": 0,
                },
                {
                    "DeviceID": f"HID\\{device}&0000",
                    "Name": "HID Keyboard Device",
                    "ClassGuid": KEYBOARDS,
                    "ConfigManagerErrorCode": 0,
                },
            ]

    return change


def serial_port(name: str) -> Change:
    def change(raw: Raw, days: int) -> None:
        raw["serial-ports"] = {
            "Win32_PnPEntity": [{"Name": f"USB Serial Port ({name})", "ConfigManagerErrorCode": 0}],
            "usable": [name],
        }

    return change


LABELS = "Front desk labels"


def label_printer(raw: Raw, days: int) -> None:
    raw["printers"]["Win32_Printer"].append(
        {
            "Name": LABELS,
            "DriverName": "Halden Label 203dpi",
            "PortName": "USB001",
            "WorkOffline": False,
            "DetectedErrorState": 0,
        }
    )


def stuck_labels(raw: Raw, days: int) -> None:
    raw["printers"]["Win32_PrintJob"] += [
        {"Name": f"{LABELS}, {number}", "TimeSubmitted": f"cim {ago} days ago"}
        for number, ago in ((211, 1.08), (212, 0.96), (213, 0.11))
    ]


# --- programs ---------------------------------------------------------------------------------

DRIVER_18 = "ODBC Driver 18 for SQL Server"
DRIVER_17 = "ODBC Driver 17 for SQL Server"


def older_odbc_driver(raw: Raw, days: int) -> None:
    """The others got the driver's update; this machine was in repair that week."""
    for driver in raw["odbc"]["drivers"]:
        if driver["name"] == DRIVER_18:
            driver["version"] = "18.0.1.1"
    for program in raw["software"]["programs"]:
        if program["name"] == f"Microsoft {DRIVER_18}":
            program["version"] = "18.0.1.1"


def older_unencrypted_driver(raw: Raw, days: int) -> None:
    """The data source was made years ago, when nobody asked for encryption."""
    raw["odbc"]["sources"][0] |= {"driver": DRIVER_17, "encrypt": "", "trust": ""}
    raw["odbc"]["drivers"][-1] |= {"name": DRIVER_17, "file": "msodbcsql17.dll", "version": "17.10.6.1"}
    raw["software"]["programs"] = [
        _program(f"Microsoft {DRIVER_17}", "17.10.6.1", "Microsoft Corporation")
        if program["name"] == f"Microsoft {DRIVER_18}"
        else program
        for program in raw["software"]["programs"]
    ]


def engine_of_32_bits_beside(raw: Raw, days: int) -> None:
    """Another vendor's program brought a database engine of its own."""
    version = "16.0.5044.1000"
    found = raw["access-engine"]
    code = "{90160000-00D1-0409-0000-0000000FF1CE}"
    found["packages"].append({"code": code, "version": version})
    found["engines"] += [
        {
            "name": name,
            "bits": 32,
            "file": "ACEOLEDB.DLL",
            "state": "there",
            "version": version,
            "private": False,
        }
        for name in ("Microsoft.ACE.OLEDB.12.0", "Microsoft.ACE.OLEDB.16.0")
    ]
    name = "Microsoft Access database engine 2016 (English)"
    raw["software"]["programs"].append(_program(name, version, "Microsoft Corporation", 32))


def older_front_end(raw: Raw, days: int) -> None:
    """The machine was off on the night when the new release was copied."""
    program, front_end = raw["applications"]["applications"]
    program |= {"version": "8.3.6.0", "size": 9_388_032, "modified": "310 days before today"}
    front_end |= {"size": 18_612_224, "modified": "310 days before today"}
    program["sha256"] = "e04b81c92f7da5360b16f83e5cd24a97108fb3e64a5d90c7723be1584f6ad0c9"
    front_end["sha256"] = "91f6d20ab3c58e4705ed64cb17f8293a6cd05e81b24793faa40be6573d1c82f5"


def crashing_access(raw: Raw, days: int) -> None:
    """And the old front end ends Access every other day since the server has the new release."""
    version = raw["access-engine"]["access"]["version"]
    raw["crashes"]["faults"]["groups"].append(
        _events(
            "Application Error",
            1000,
            12,
            "24 days ago",
            "0.9 days ago",
            "MSACCESS.EXE",
            version,
            "ACECORE.DLL",
        )
    )
    raw["crashes"]["faults"]["read"] += 12
    application = raw["log-errors"]["logs"][1]
    application["groups"][0] |= {"count": 21, "last": "0.9 days ago"}
    application["read"] += 12


# --- safety -----------------------------------------------------------------------------------


def firewall_off(raw: Raw, days: int) -> None:
    """Switched off once, to find out whether it was to blame."""
    for profile in raw["firewall"]["settings"]:
        if profile["profile"] == "PublicProfile":
            profile["enabled"] = 0


def guest_enabled(raw: Raw, days: int) -> None:
    for account in raw["local-accounts"]["Win32_UserAccount"]:
        if account["SID"].endswith("-501"):
            account["Disabled"] = False


def no_consent(raw: Raw, days: int) -> None:
    """User Account Control is off, because an old program asked for it."""
    raw["restrictions"]["consent"] = 0


def teamviewer(raw: Raw, days: int) -> None:
    """A supplier left it behind after a session."""
    raw["remote-control"]["services"].append({"name": "TeamViewer", "start": 2})
    raw["remote-control"]["running"].append("TeamViewer_Service.exe")
    raw["software"]["programs"].append(_program("TeamViewer", "15.62.4", "TeamViewer"))


def pcanywhere(raw: Raw, days: int) -> None:
    """It is from the days before the VPN."""
    raw["remote-control"]["services"].append({"name": "awhost32", "start": 3})
    raw["software"]["programs"].append(_program("Symantec pcAnywhere", "12.5.0", "Symantec Corporation", 32))


def old_signatures(raw: Raw, days: int) -> None:
    status = raw["antivirus"]["MSFT_MpComputerStatus"][0]
    status["AntivirusSignatureLastUpdated"] = "cim 21.4 days ago"
    raw["antivirus"]["AntiVirusProduct"][0]["productState"] = 397584
