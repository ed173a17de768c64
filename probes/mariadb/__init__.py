"""MariaDB and MySQL: kind "mariadb"."""
