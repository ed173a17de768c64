"""Errors in the server's own words: number, severity, state and text as in sys.messages (English)."""

from __future__ import annotations

from .answers import Error


def login_failed(user: str) -> Error:
    """The client is told state 1 whatever the reason was."""
    return Error(18456, f"Login failed for user '{user}'.", 14)


def login_disabled(user: str) -> Error:
    return Error(18470, f"Login failed for user '{user}'. Reason: The account is disabled.", 14)


def login_locked(user: str) -> Error:
    text = (
        f"Login failed for user '{user}' because the account is currently locked out. The system "
        "administrator can unlock it. "
    )
    return Error(18486, text, 14)


def password_expired(user: str) -> Error:
    text = f"Login failed for user '{user}'.  Reason: The password of the account has expired."
    return Error(18487, text, 14)


def password_must_change(user: str) -> Error:
    text = f"Login failed for user '{user}'.  Reason: The password of the account must be changed."
    return Error(18488, text, 14)


def untrusted_domain() -> Error:
    text = (
        "Login failed. The login is from an untrusted domain and cannot be used with Integrated "
        "authentication."
    )
    return Error(18452, text, 14)


def cannot_open_at_login(database: str) -> Error:
    """18456 follows it."""
    text = f'Cannot open database "{database}" requested by the login. The login failed.'
    return Error(4060, text, 11)


def no_such_database(database: str) -> Error:
    text = f"Database '{database}' does not exist. Make sure that the name is entered correctly."
    return Error(911, text, 16)


def no_access_to_database(user: str, database: str) -> Error:
    text = (
        f'The server principal "{user}" is not able to access the database "{database}" under the current '
        "security context."
    )
    return Error(916, text, 14)


def database_offline(database: str) -> Error:
    return Error(942, f"Database '{database}' cannot be opened because it is offline.", 14, 4)


def database_restoring(database: str) -> Error:
    text = f"Database '{database}' cannot be opened. It is in the middle of a restore."
    return Error(927, text, 14, 2)


def database_recovering(database: str) -> Error:
    text = f"Database '{database}' is being recovered. Waiting until recovery is finished."
    return Error(922, text, 14, 2)


def database_inaccessible(database: str) -> Error:
    """RECOVERY_PENDING."""
    text = (
        f"Database '{database}' cannot be opened due to inaccessible files or insufficient memory or disk "
        "space.  See the SQL Server errorlog for details."
    )
    return Error(945, text, 14, 2)


def database_suspect(database: str) -> Error:
    text = (
        f"Database '{database}' cannot be opened. It has been marked SUSPECT by recovery. See the SQL Server "
        "errorlog for more information."
    )
    return Error(926, text, 14, 1)


def database_single_user(database: str) -> Error:
    text = f"Database '{database}' is already open and can only have one user at a time."
    return Error(924, text, 14, 1)


def denied_on_object(permission: str, name: str, database: str, schema: str = "dbo") -> Error:
    text = (
        f"The {permission} permission was denied on the object '{name}', database '{database}', "
        f"schema '{schema}'."
    )
    return Error(229, text, 14, 5)


def denied_on_server(permission: str) -> tuple[Error, Error]:
    """The pair that a dynamic management view answers."""
    return (
        Error(300, f"{permission} permission was denied on object 'server', database 'master'.", 14),
        Error(297, "The user does not have permission to perform this action.", 16),
    )


def denied_in_database(permission: str, database: str) -> tuple[Error, Error]:
    return (
        Error(262, f"{permission} permission denied in database '{database}'.", 14),
        Error(297, "The user does not have permission to perform this action.", 16),
    )


def invalid_object(name: str) -> Error:
    return Error(208, f"Invalid object name '{name}'.", 16)


def invalid_column(name: str) -> Error:
    return Error(207, f"Invalid column name '{name}'.", 16)


def no_such_procedure(name: str) -> Error:
    return Error(2812, f"Could not find stored procedure '{name}'.", 16, 62)


def deadlock_victim(spid: int = 61) -> Error:
    text = (
        f"Transaction (Process ID {spid}) was deadlocked on lock resources with another process and has been "
        "chosen as the deadlock victim. Rerun the transaction."
    )
    return Error(1205, text, 13, 51)


def lock_time_out() -> Error:
    return Error(1222, "Lock request time out period exceeded.", 16, 56)
