"""A SQL Server for tests: TDS 7.3 and 7.4 as unmodified ODBC drivers speak it, with answers from a script.

Shapes are those of [MS-TDS] and [MC-SQLR]. It executes no T-SQL: a test says what each statement answers.
"""

from . import collations, data_types, errors, products
from .answers import Affected, Answer, Column, Error, HangUp, Needs, Pause, Rows
from .browser import Browser
from .data_types import Variant
from .products import PRODUCTS, SQL_2008_R2, SQL_2012, SQL_2016, SQL_2019, SQL_2022, Product, express
from .script import Account, Database, Scripted
from .seen import LoginAttempt, Request
from .server import TdsServer
from .statements import Session, Statement
from .tls import server_context

__all__ = [
    "PRODUCTS",
    "SQL_2008_R2",
    "SQL_2012",
    "SQL_2016",
    "SQL_2019",
    "SQL_2022",
    "Account",
    "Affected",
    "Answer",
    "Browser",
    "Column",
    "Database",
    "Error",
    "HangUp",
    "LoginAttempt",
    "Needs",
    "Pause",
    "Product",
    "Request",
    "Rows",
    "Scripted",
    "Session",
    "Statement",
    "TdsServer",
    "Variant",
    "collations",
    "data_types",
    "errors",
    "express",
    "products",
    "server_context",
]
