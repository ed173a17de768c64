"""SQL Server: kind "sqlserver"."""
