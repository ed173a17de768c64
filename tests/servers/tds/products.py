"""Versions of SQL Server: what each says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from .collations import LATIN, Collation
from .login import TDS_7_3B, TDS_7_4

Edition = Literal["Express", "Standard", "Enterprise", "Developer"]
_LONG_EDITION = "{} Edition"
_ENGINE_EDITIONS: Mapping[Edition, int] = {"Express": 4, "Standard": 2, "Enterprise": 3, "Developer": 3}


@dataclass(frozen=True)
class Product:
    """One installed instance. `version` is ProductVersion; `windows` the end of @@VERSION.

    `tells_update`: whether the release has the properties of 2012 and later.
    """

    release: str
    version: str
    level: str  # RTM, SP3
    update_level: str | None  # CU13
    update_reference: str | None  # KB5036432
    built: str
    windows: str
    edition: Edition = "Standard"
    collation: Collation = LATIN
    machine: str = "SRV-DB"
    instance: str | None = None  # None is the default instance

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    @property
    def wire_version(self) -> tuple[int, int, int]:
        """Major, minor, build as PRELOGIN and LOGINACK tell them."""
        major, minor, build = self.numbers[:3]
        return major, minor, build

    @property
    def tds(self) -> int:
        """The newest TDS that it speaks."""
        return TDS_7_4 if self.numbers >= (11,) else TDS_7_3B

    @property
    def strict(self) -> bool:
        """Whether it speaks TDS 8.0, TLS before anything else."""
        return self.numbers >= (16,)

    @property
    def server_name(self) -> str:
        return f"{self.machine}\\{self.instance}" if self.instance else self.machine

    @property
    def engine_edition(self) -> int:
        return _ENGINE_EDITIONS[self.edition]

    @property
    def version_text(self) -> str:
        """@@VERSION."""
        level = f"{self.level}-{self.update_level}" if self.update_level else self.level
        reference = f" ({self.update_reference})" if self.update_reference else ""
        owner = "(c)" if self.numbers < (11,) else f"(C) {self.release[:4]}"
        return (
            f"Microsoft SQL Server {self.release} ({level}){reference} - {self.version} (X64) \n"
            f"\t{self.built} \n\tCopyright {owner} Microsoft Corporation\n"
            f"\t{_LONG_EDITION.format(self.edition)} (64-bit) on {self.windows}\n"
        )

    @property
    def properties(self) -> Mapping[str, str | int | None]:
        """SERVERPROPERTY by name; a name that the release does not know is missing, which is NULL."""
        known: dict[str, str | int | None] = {
            "BuildClrVersion": "v4.0.30319" if self.numbers >= (11,) else "v2.0.50727",
            "Collation": self.collation.name,
            "ComputerNamePhysicalNetBIOS": self.machine,
            "Edition": f"{_LONG_EDITION.format(self.edition)} (64-bit)",
            "EngineEdition": self.engine_edition,
            "InstanceName": self.instance,
            "IsClustered": 0,
            "IsFullTextInstalled": 0,
            "IsIntegratedSecurityOnly": 0,
            "IsSingleUser": 0,
            "LCID": self.collation.lcid,
            "MachineName": self.machine,
            "ProcessID": 2044,
            "ProductLevel": self.level,
            "ProductVersion": self.version,
            "ServerName": self.server_name,
        }
        if self.numbers >= (11,):
            known |= {
                "IsHadrEnabled": 0,
                "IsLocalDB": 0,
                "ProductBuild": str(self.numbers[2]),
                "ProductMajorVersion": str(self.numbers[0]),
                "ProductMinorVersion": str(self.numbers[1]),
                "ProductUpdateLevel": self.update_level,
                "ProductUpdateReference": self.update_reference,
            }
        if self.numbers >= (12,):
            known["IsXTPSupported"] = int(self.edition != "Express" or self.numbers >= (13,))
        if self.numbers >= (15,):
            known["IsTempdbMetadataMemoryOptimized"] = 0
        return known

    @property
    def permissions(self) -> frozenset[str]:
        """The permissions of the server that HAS_PERMS_BY_NAME knows; it answers NULL for others."""
        known = {
            "ALTER ANY DATABASE",
            "ALTER TRACE",
            "CONNECT SQL",
            "CONTROL SERVER",
            "VIEW ANY DATABASE",
            "VIEW ANY DEFINITION",
            "VIEW SERVER STATE",
        }
        if self.numbers >= (12,):
            known |= {"CONNECT ANY DATABASE", "SELECT ALL USER SECURABLES"}
        if self.numbers >= (16,):
            known |= {
                "VIEW ANY ERROR LOG",
                "VIEW ANY PERFORMANCE DEFINITION",
                "VIEW ANY SECURITY DEFINITION",
                "VIEW SERVER PERFORMANCE STATE",
                "VIEW SERVER SECURITY STATE",
            }
        return frozenset(known)

    def __str__(self) -> str:
        return f"SQL Server {self.release}"


def _server(release: str, build: str) -> str:
    return f"Windows Server {release} Standard 10.0 <X64> (Build {build}: ) (Hypervisor)"


SQL_2008_R2 = Product(
    release="2008 R2",
    version="10.50.6000.34",
    level="SP3",
    update_level=None,
    update_reference=None,
    built="Aug 19 2014 12:21:34",
    windows="Windows NT 6.1 <X64> (Build 7601: Service Pack 1)",
)
SQL_2012 = Product(
    release="2012",
    version="11.0.7001.0",
    level="SP4",
    update_level=None,
    update_reference="KB4018073",
    built="Aug 15 2017 10:23:29",
    windows="Windows NT 6.2 <X64> (Build 9200: ) (Hypervisor)",
)
SQL_2016 = Product(
    release="2016",
    version="13.0.6300.2",
    level="SP3",
    update_level=None,
    update_reference="KB5003279",
    built="Aug  7 2021 01:20:37",
    windows=_server("2016", "14393"),
)
SQL_2019 = Product(
    release="2019",
    version="15.0.4430.1",
    level="RTM",
    update_level="CU32",
    update_reference="KB5054833",
    built="Feb 21 2025 17:28:42",
    windows=_server("2019", "17763"),
)
SQL_2022 = Product(
    release="2022",
    version="16.0.4125.3",
    level="RTM",
    update_level="CU13",
    update_reference="KB5036432",
    built="May  1 2024 17:34:19",
    windows=_server("2022", "20348"),
)
PRODUCTS = (SQL_2008_R2, SQL_2012, SQL_2016, SQL_2019, SQL_2022)


def express(product: Product, instance: str = "SQLEXPRESS") -> Product:
    """The same as an Express of a named instance, as set up on a workstation."""
    return replace(product, edition="Express", machine="WS-3", instance=instance)
