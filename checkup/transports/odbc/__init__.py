"""The way to SQL engines: ODBC, in a child process."""
