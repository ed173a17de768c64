"""What a statement of a SQL section may name: words, functions, objects, and how. The rest is refused.

To allow one more thing that only reads, add its name to its list; names are compared without regard to case.
What may look harmless and is missing on purpose: whatever reads a file or a log by its path (OPENROWSET,
LOAD_FILE, pg_read_file, fn_get_audit_file), reaches another server (OPENQUERY, dblink), waits (SLEEP), takes
a lock (GET_LOCK, pg_advisory_lock), ends or switches something (pg_terminate_backend, pg_switch_wal), counts
on (nextval), runs a text (query_to_xml) or shows one (OBJECT_DEFINITION, pg_get_viewdef), or tries a
password (PWDCOMPARE). SQL Server's views are in dmv_columns.json.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from checkup.sql.engine import EngineName


def names(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


# --- words ------------------------------------------------------------------------------------

COMMON_WORDS: Final = names(
    """all and any as asc between by case cross desc distinct else end escape except exists from group
    having in inner is join left like not null on or order outer over partition rows select then union
    unbounded preceding following current row when where with within"""
)

_TYPES: Final = names("bigint char date datetime decimal double float int integer numeric real smallint time")

ENGINE_WORDS: Final[Mapping[EngineName, frozenset[str]]] = {
    "sqlserver": _TYPES
    | names(
        """apply bit collate datetime2 default datetimeoffset maxdop money nchar nolock nvarchar nvarchar
        option percent readuncommitted readpast recompile smalldatetime smallmoney sql_variant sysname
        ties tinyint top uniqueidentifier varbinary varchar xml max full year quarter month week weekday
        day dayofyear hour minute second millisecond microsecond nanosecond dd hh mi ss ms"""
    ),
    "postgresql": _TYPES
    | names(
        """array at boolean bool both collate coalesce current_date current_timestamp current_user epoch
        false filter first for from full grouping ilike inet int4 int8 interval jsonb lateral last
        leading limit name nulls numeric oid only ordinality precision primary recursive regclass
        regtype role session_user similar text timestamp timestamptz to trailing true using user varchar
        without xid zone day days hour hours minute minutes second seconds"""
    ),
    "mariadb": _TYPES
    | names(
        """binary collate current_date current_timestamp div day false for hour interval limit microsecond
        minute mod month quarter regexp rlike second signed straight_join true unsigned using utf8mb4
        utf8 week year"""
    ),
}

# Words that begin a statement, or make a reading one write, in any of the three: none of them is ever a name.
VERBS: Final = names(
    """alter analyze backup begin break browse bulk call cache change checkpoint checksum clone close
    cluster comment commit continue copy create cursor dbcc deallocate declare delay delete deny detach
    disable discard do drop dump dumpfile enable exec execute explain flush get go goto grant handler if
    import infile insert install into kill load lock merge move notify openquery openrowset optimize
    outfile prepare print procedure purge raiserror read readtext rebuild receive reconfigure refresh
    reindex release rename repair replace reset resignal restore resume return returning revert revoke
    rollback rule save savepoint security send set setuser share show shutdown signal skip start stop
    tablesample throw tran transaction truncate uninstall unlisten unlock update updatetext upsert use
    vacuum waitfor while writetext xa"""
)

VARIABLES: Final[Mapping[EngineName, frozenset[str]]] = {
    "sqlserver": names(
        "@@version @@servername @@servicename @@microsoftversion @@cpu_busy @@spid @@max_connections"
    ),
    "postgresql": frozenset(),
    # Guarded values are in GUARDED: these are settings without a secret in them.
    "mariadb": names(
        """@@version @@version_compile_os @@version_comment @@datadir @@global.gtid_slave_pos @@hostname
        @@port @@server_id"""
    ),
}


# --- functions --------------------------------------------------------------------------------

# Functions of SQL Server that are newer than 2008 R2, with the version they came in ("What's new").
SQLSERVER_SINCE: Final[Mapping[str, tuple[int, ...]]] = {
    **dict.fromkeys(
        names(
            """choose concat datefromparts datetime2fromparts datetimefromparts eomonth first_value iif lag
            last_value lead percentile_cont percentile_disc percent_rank timefromparts try_cast
            try_convert try_parse"""
        ),
        (11,),
    ),
    **dict.fromkeys(names("concat_ws string_agg trim"), (14,)),
    **dict.fromkeys(names("date_bucket datetrunc greatest least"), (16,)),
}

_SQLSERVER_FUNCTIONS: Final = frozenset(SQLSERVER_SINCE) | names(
    """abs avg cast ceiling char charindex checksum_agg coalesce col_length col_name columnproperty
    connectionproperty convert count count_big databasepropertyex database_principal_id datalength
    dateadd datediff datename datepart day db_id db_name dense_rank file_name filegroup_name
    fileproperty floor fulltextserviceproperty getdate getutcdate grouping has_dbaccess
    has_perms_by_name host_name index_col indexproperty is_member is_srvrolemember isdate isnull
    isnumeric left len lower ltrim max min month nchar ntile nullif object_id object_name
    object_schema_name objectproperty objectpropertyex original_login parsename patindex power quotename
    rank replace replicate reverse right round row_number rtrim schema_id schema_name serverproperty
    sign space sqrt stats_date stdev str stuff substring sum suser_id suser_name suser_sid suser_sname
    switchoffset sysdatetime sysdatetimeoffset sysutcdatetime todatetimeoffset type_id type_name
    typeproperty unicode upper user_name year"""
)

_POSTGRESQL_FUNCTIONS: Final = names(
    """abs age array_agg array_length array_lower array_position array_to_string array_upper avg bool_and
    bool_or btrim cast ceil ceiling char_length clock_timestamp coalesce concat concat_ws count
    current_database current_setting date_part date_trunc dense_rank every extract first_value floor
    format_type generate_series generate_subscripts greatest has_any_column_privilege
    has_column_privilege has_database_privilege has_function_privilege has_schema_privilege
    has_sequence_privilege has_table_privilege has_tablespace_privilege inet_client_addr
    inet_server_addr inet_server_port lag last_value lead least left length lower ltrim make_interval
    max min mod mxid_age now ntile nullif obj_description octet_length pg_backend_pid
    pg_backup_start_time pg_blocking_pids pg_column_size pg_conf_load_time pg_control_checkpoint
    pg_control_init pg_control_recovery pg_control_system pg_current_wal_insert_lsn pg_current_wal_lsn
    pg_current_xlog_location pg_database_size pg_encoding_to_char pg_get_userbyid pg_has_role
    pg_index_column_has_property pg_indexes_size pg_is_in_backup pg_is_in_recovery
    pg_is_wal_replay_paused pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp
    pg_last_xlog_receive_location pg_last_xlog_replay_location pg_ls_archive_statusdir pg_ls_tmpdir
    pg_ls_waldir pg_options_to_table pg_postmaster_start_time pg_relation_size pg_sequence_last_value
    pg_sequence_parameters pg_size_bytes pg_size_pretty pg_stat_get_db_checksum_failures
    pg_table_is_visible pg_table_size pg_tablespace_location pg_tablespace_size pg_total_relation_size
    pg_wal_lsn_diff pg_xlog_location_diff position power quote_ident rank
    regexp_replace replace right round row_number rtrim sign split_part sqrt statement_timestamp stddev
    strpos string_agg substr substring sum to_char to_number transaction_timestamp translate trim trunc
    txid_current_if_assigned txid_current_snapshot txid_snapshot_xmin unnest upper version width_bucket"""
)

_MARIADB_FUNCTIONS: Final = names(
    """connection_id convert_tz abs avg cast ceil ceiling char_length coalesce concat concat_ws convert
    count current_role current_user curdate database date_add date_format date_sub datediff dense_rank
    elt field find_in_set first_value floor format from_unixtime greatest group_concat if ifnull instr
    isnull json_contains json_contains_path json_exists json_extract json_length json_type json_unquote
    json_valid json_value lag last_value lcase lead least left length locate log log2 lower lpad ltrim
    max min mod now nullif ntile pow power quote rank replace reverse right round row_number
    rpad rtrim schema sha1 sign sqrt std stddev str_to_date substr substring substring_index sum sysdate
    time_to_sec timediff timestampdiff trim truncate ucase unhex unix_timestamp upper user utc_timestamp
    version"""
)

FUNCTIONS: Final[Mapping[EngineName, frozenset[str]]] = {
    "sqlserver": _SQLSERVER_FUNCTIONS,
    "postgresql": _POSTGRESQL_FUNCTIONS,
    "mariadb": _MARIADB_FUNCTIONS,
}

# Functions of SQL Server's own schema that give one value.
SQLSERVER_SCALARS: Final = names("fn_hadr_backup_is_preferred_replica fn_hadr_is_primary_replica")

# PostgreSQL calls a function of a whole row where a column of that name is not there: `a.row_to_json`.
ROW_FUNCTIONS: Final = re.compile(r"(row_)?to_jsonb?|record_\w+|hash_record\w*|\w+_to_xml\w*|text|xml|json")

# Methods of SQL Server's XML columns that read; `modify` is the one that does not.
METHODS: Final = names("value nodes exist query")


# --- objects ----------------------------------------------------------------------------------

# SQL Server's own schema may be named in these databases beside the one the session is in.
SQLSERVER_DATABASES: Final = names("master msdb tempdb")

_PG_CATALOG: Final = names(
    """pg_am pg_attrdef pg_attribute pg_auth_members pg_authid pg_available_extension_versions
    pg_available_extensions pg_class pg_collation pg_constraint pg_database pg_db_role_setting pg_depend
    pg_event_trigger pg_extension pg_foreign_server pg_hba_file_rules pg_index pg_indexes pg_inherits
    pg_language pg_locks pg_matviews pg_namespace pg_opclass pg_partitioned_table pg_policy
    pg_prepared_xacts pg_proc pg_publication pg_replication_origin_status pg_replication_slots pg_roles
    pg_sequence pg_sequences pg_settings pg_file_settings pg_shadow pg_shdepend pg_stat_activity
    pg_stat_all_indexes pg_stat_all_tables pg_stat_archiver pg_stat_bgwriter pg_stat_checkpointer
    pg_stat_database pg_stat_database_conflicts pg_stat_gssapi pg_stat_io pg_stat_progress_create_index
    pg_stat_progress_vacuum pg_stat_replication pg_stat_replication_slots pg_stat_slru pg_stat_ssl
    pg_stat_subscription pg_stat_subscription_stats pg_stat_sys_tables pg_stat_user_functions
    pg_stat_user_indexes pg_stat_user_tables pg_stat_wal pg_stat_wal_receiver pg_statio_all_indexes
    pg_statio_all_tables pg_statio_user_indexes pg_statio_user_tables pg_statistic_ext pg_stats
    pg_subscription pg_subscription_rel pg_tables pg_tablespace pg_trigger pg_type pg_user pg_views"""
)
_MY_INFORMATION_SCHEMA: Final = names(
    """all_plugins applicable_roles character_sets client_statistics collations column_privileges columns
    enabled_roles engines events global_status global_variables index_statistics
    innodb_buffer_pool_stats innodb_lock_waits innodb_locks innodb_metrics innodb_sys_tablespaces
    innodb_tablespaces innodb_trx key_column_usage partitions plugins processlist
    referential_constraints routines schema_privileges schemata session_status session_variables
    spider_wrapper_protocols statistics system_variables table_constraints table_privileges
    table_statistics tables triggers user_privileges user_statistics views"""
)
_MY_PERFORMANCE_SCHEMA: Final = names(
    """accounts data_lock_waits data_locks events_statements_summary_by_digest
    events_waits_summary_global_by_event_name file_summary_by_instance global_status global_variables
    hosts innodb_redo_log_files log_status metadata_locks processlist replication_applier_configuration
    replication_applier_status replication_applier_status_by_worker replication_connection_configuration
    replication_connection_status replication_group_members table_io_waits_summary_by_index_usage
    table_io_waits_summary_by_table threads tls_channel_status users variables_info"""
)
_MY_SYSTEM: Final = names(
    """columns_priv db default_roles global_priv plugin procs_priv proxies_priv roles_mapping role_edges
    servers slave_master_info tables_priv user"""
)


def _in(schema: str, tables: frozenset[str]) -> frozenset[str]:
    return frozenset(f"{schema}.{table}" for table in tables)


# Beside SQL Server, whose views and their columns by version are in dmv_columns.json.
RELATIONS: Final[Mapping[EngineName, frozenset[str]]] = {
    "sqlserver": frozenset(),
    "postgresql": _PG_CATALOG
    | _in(
        "information_schema",
        names(
            "tables columns sequences table_privileges role_table_grants schemata key_column_usage "
            "table_constraints"
        ),
    )
    # Extensions where their own documentation puts them. pgstattuple's look at pages and hand out counts.
    | _in("public", names("pg_stat_statements pg_stat_statements_info pgstattuple_approx")),
    "mariadb": _in("information_schema", _MY_INFORMATION_SCHEMA)
    | _in("performance_schema", _MY_PERFORMANCE_SCHEMA)
    | _in("mysql", _MY_SYSTEM)
    | _in("sys", names("version")),
}


# --- columns that hold what is nobody's business ------------------------------------------------

# They may be compared with a constant or another column, and never handed out: texts of statements, plans,
# jobs and messages, definitions (constants of data stand in them), values of rows, secrets.
PRIVATE: Final[Mapping[EngineName, Mapping[str, frozenset[str]]]] = {
    "sqlserver": {
        "sys.dm_exec_sql_text": names("text"),
        "sys.dm_exec_query_plan": names("query_plan"),
        "sys.dm_exec_text_query_plan": names("query_plan"),
        "sys.dm_xe_session_targets": names("target_data"),
        "sys.query_store_query_text": names("query_sql_text"),
        "sys.query_store_plan": names("query_plan"),
        "sys.sql_modules": names("definition"),
        "sys.check_constraints": names("definition"),
        "sys.default_constraints": names("definition"),
        "sys.computed_columns": names("definition"),
        "sys.indexes": names("filter_definition"),
        "sys.stats": names("filter_definition"),
        "sys.sql_logins": names("password_hash"),
        "sys.servers": names("provider_string"),
        "sys.extended_properties": names("value"),
        "sys.messages": names("text"),
        "sys.fn_trace_gettable": names("textdata binarydata"),
        "msdb.dbo.sysjobsteps": names("command"),
        "msdb.dbo.sysjobhistory": names("message"),
        "msdb.dbo.sysjobservers": names("last_outcome_message"),
        "msdb.dbo.sysalerts": names("notification_message event_description_keyword"),
        "msdb.dbo.sysoperators": names("email_address pager_address netsend_address"),
        "sys.dm_hadr_availability_replica_states": names("last_connect_error_description"),
        "sys.dm_exec_sessions": names("context_info"),
        "msdb.dbo.sysmail_event_log": names("description"),
    },
    "postgresql": {
        "pg_stat_activity": names("query"),
        "public.pg_stat_statements": names("query"),
        "pg_stat_wal_receiver": names("conninfo"),
        "pg_stats": names(
            "most_common_vals histogram_bounds most_common_elems elem_count_histogram range_bounds_histogram "
            "range_length_histogram"
        ),
        "pg_authid": names("rolpassword"),
        "pg_roles": names("rolpassword rolconfig"),
        "pg_shadow": names("passwd useconfig"),
        "pg_user": names("passwd useconfig"),
        "pg_db_role_setting": names("setconfig"),
        "pg_foreign_server": names("srvoptions"),
        "pg_hba_file_rules": names("options"),
        "pg_file_settings": names("setting"),
        "pg_subscription": names("subconninfo"),
        "pg_views": names("definition"),
        "pg_matviews": names("definition"),
        "pg_indexes": names("indexdef"),
        "pg_index": names("indpred indexprs"),
        "pg_attrdef": names("adbin"),
        "pg_constraint": names("conbin"),
        "pg_proc": names("prosrc probin proargdefaults"),
        "pg_trigger": names("tgargs tgqual"),
        "pg_policy": names("polqual polwithcheck"),
        "pg_class": names("relpartbound"),
        "information_schema.columns": names("column_default generation_expression"),
    },
    "mariadb": {
        "information_schema.processlist": names("info info_binary"),
        "performance_schema.processlist": names("info"),
        "performance_schema.threads": names("processlist_info"),
        "performance_schema.events_statements_summary_by_digest": names("digest_text query_sample_text"),
        "performance_schema.data_locks": names("lock_data"),
        "information_schema.innodb_trx": names("trx_query"),
        "information_schema.innodb_locks": names("lock_data"),
        "information_schema.columns": names("column_default generation_expression"),
        "information_schema.events": names("event_definition"),
        "information_schema.routines": names("routine_definition"),
        "information_schema.triggers": names("action_statement action_condition"),
        "information_schema.views": names("view_definition"),
        "mysql.user": names("password authentication_string"),
        "mysql.global_priv": names("priv"),
        "mysql.servers": names("password"),
        "mysql.slave_master_info": names("user_password"),
        "performance_schema.replication_connection_status": names("last_error_message"),
        "performance_schema.replication_applier_status_by_worker": names("last_error_message"),
    },
}

# Settings that may hold a password or a text of the site's, among harmless ones: their values are handed out
# only where the statement itself names the settings, as constants.
GUARDED: Final[Mapping[EngineName, Mapping[str, tuple[str, frozenset[str]]]]] = {
    "sqlserver": {},
    "postgresql": {"pg_settings": ("name", names("setting reset_val boot_val"))},
    "mariadb": {
        "information_schema.global_variables": ("variable_name", names("variable_value")),
        "information_schema.session_variables": ("variable_name", names("variable_value")),
        "information_schema.system_variables": (
            "variable_name",
            names("session_value global_value default_value"),
        ),
        "performance_schema.global_variables": ("variable_name", names("variable_value")),
    },
}
SECRET_SETTINGS: Final = re.compile(
    r".*(conninfo|passphrase|password_file|_command|preload|auth|init_connect|init_file|init_slave|secret).*",
    re.IGNORECASE,
)
# They match that pattern and say nothing of the kind.
HARMLESS_SETTINGS: Final = names(
    """shared_preload_libraries session_preload_libraries authentication_timeout
    default_authentication_plugin authentication_policy"""
)

# Parts of a JSON column of secrets that are none.
JSON_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "mysql.global_priv": names(
        """$.plugin $.access $.account_locked $.password_last_changed $.password_lifetime $.ssl_type
        $.version_id"""
    ),
}

# Columns whose type no driver hands out, or hands out as bytes: datetimeoffset, sql_variant, binary, XML.
# They are converted in the statement.
SQLSERVER_CONVERTED: Final[Mapping[str, frozenset[str]]] = {
    "sys.configurations": names("value minimum maximum value_in_use"),
    "sys.database_scoped_configurations": names("value value_for_secondary"),
    "sys.identity_columns": names("seed_value increment_value last_value"),
    "sys.sequences": names("start_value increment minimum_value maximum_value current_value"),
    "sys.dm_server_memory_dumps": names("creation_time"),
    "sys.dm_server_services": names("last_startup_time"),
    "sys.dm_server_registry": names("value_data"),
    "sys.query_store_runtime_stats": names("first_execution_time last_execution_time"),
    "sys.query_store_runtime_stats_interval": names("start_time end_time"),
    "sys.query_store_query": names("initial_compile_start_time last_compile_start_time last_execution_time"),
    "sys.query_store_plan": names("initial_compile_start_time last_compile_start_time last_execution_time"),
    "sys.dm_exec_plan_attributes": names("value"),
    "sys.dm_os_ring_buffers": names("record"),
}
# Columns of bytes, by their names in every view.
SQLSERVER_BYTES: Final = re.compile(
    r"(owner_)?sid|(original_)?security_id|context_info|(\w+_)?thumbprint|\w+_hash|(\w+_)?(sql|plan|file|io)_handle"
    r"|(?!(\w+_)?(net|ip|email|pager|netsend)_)\w+_address"
)


# --- hints ------------------------------------------------------------------------------------

TABLE_HINTS: Final = names("nolock readuncommitted readpast")
QUERY_OPTIONS: Final = names("maxdop recompile")
