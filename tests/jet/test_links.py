"""Where links point to, and that nothing of a password comes along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from checkup.jet.catalogue import read_catalogue
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.links import link_target
from tests.jet.made import RowValue, clinic_file, data_page, distant_value, inline_value


def test_kinds_of_links() -> None:
    access = link_target("", r"\\srv-files\data\archive.mdb", "Archive")
    assert (access.format, access.database, access.table) == (
        "Access",
        r"\\srv-files\data\archive.mdb",
        "Archive",
    )
    with_password = link_target(r"MS Access;PWD=abc;DATABASE=D:\b.mdb", "", "T")
    assert (with_password.format, with_password.database, with_password.keeps_password) == (
        "Access",
        r"D:\b.mdb",
        True,
    )
    sql = link_target(
        "ODBC;DRIVER={SQL Server};SERVER=srv-db,1433;DATABASE=Clinic;UID=app;PWD=x", "", "dbo.T"
    )
    assert (sql.format, sql.driver, sql.server, sql.database) == (
        "ODBC",
        "SQL Server",
        "srv-db,1433",
        "Clinic",
    )
    assert sql.keeps_password and sql.keeps_user
    trusted = link_target("ODBC;DSN=Clinic;Trusted_Connection=Yes;PWD=", "", "T")
    assert (trusted.data_source, trusted.keeps_password, trusted.keeps_user) == ("Clinic", False, False)
    excel = link_target("Excel 12.0 Xml;HDR=YES;IMEX=2;ACCDB=YES", r"D:\Lists\prices.xlsx", "Sheet1$")
    assert (excel.format, excel.database) == ("Excel 12.0 Xml", r"D:\Lists\prices.xlsx")
    site = link_target("WSS;DATABASE=https://me:secret@portal.example/clinic?token=1", "", "T")
    assert (site.format, site.database) == ("WSS", "https://portal.example/clinic")


SECRET = "S3cret"


@pytest.mark.parametrize(
    "connect",
    [
        f"ODBC;PWD={SECRET};SERVER=srv-db",
        f"ODBC;pwd = {SECRET} ;SERVER=srv-db",
        f"ODBC;PWD={{{SECRET};SERVER=x}};SERVER=srv-db",
        f"ODBC;PWD={{a}}}};{SECRET};SERVER=x}};SERVER=srv-db",
        f"ODBC;PWD={{{SECRET};DATABASE=x",
        f"ODBC;SERVER=srv-db;PASSWORD={SECRET}",
        f"PWD={SECRET}",
        f"ODBC;UID={SECRET}",
        f"ODBC;Unknown Key={SECRET};SERVER=srv-db",
        f"ODBC;SERVER=srv-db;{SECRET}",
        f"WSS;DATABASE=https://u:{SECRET}@portal.example/x",
        f"WSS;DATABASE=https://portal.example/x?key={SECRET}",
    ],
)
def test_nothing_of_a_password_comes_along(connect: str) -> None:
    assert SECRET not in repr(link_target(connect, "", "T"))


@given(some.text(alphabet="ab;={} PWD", max_size=40))
def test_any_connection_text_ends(connect: str) -> None:
    link_target(connect, "", "")


@pytest.mark.parametrize("layout", [JET3, JET4])
def test_the_whole_catalogue_holds_no_password(layout: Format) -> None:
    def stored(text: str) -> bytes:
        return text.encode("cp1252" if layout is JET3 else "utf-16-le")

    long_text = stored(f"ODBC;SERVER=srv-db;PWD={SECRET}")
    objects: list[dict[str, RowValue]] = [
        {"Id": -9, "Name": "A", "Type": 4, "Connect": inline_value(stored(f"ODBC;DSN=x;PWD={SECRET}"))},
        {"Id": -8, "Name": "B", "Type": 4, "Connect": distant_value(len(long_text), 7, 0)},
        {"Id": -7, "Name": "C", "Type": 6, "Database": inline_value(stored(r"D:\other.mdb"))},
        {"Id": -6, "Name": "D", "Type": 4, "Connect": distant_value(5, 900, 0)},
    ]
    made = clinic_file(layout, objects)
    made.pages[7] = data_page(layout, b"LVAL", [long_text])
    catalogue = read_catalogue(made.open())
    targets = {link.name: link.target for link in catalogue.links}
    first, second, third = targets["A"], targets["B"], targets["C"]
    assert first is not None and (first.data_source, first.keeps_password) == ("x", True)
    assert second is not None and (second.server, second.keeps_password) == ("srv-db", True)
    assert third is not None and (third.format, third.database) == ("Access", r"D:\other.mdb")
    assert [damage.code for damage in catalogue.damages] == ["page-missing"]
    for secret in (repr(SECRET)[1:-1], repr(stored(SECRET))[2:-1], repr(long_text)[2:-1]):
        assert secret not in repr(catalogue)
