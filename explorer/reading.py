"""The role that the explorer reads with: it may read the explorer's tables, and nothing else.

Only what is not yet as it must be is changed: a grant rewrites a table's row in the catalogue, and
fails where somebody else does at the same moment.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, ProgrammingError, connection, transaction
from psycopg import sql
from psycopg.errors import DuplicateObject, InsufficientPrivilege, UniqueViolation

from config.api.reading import READER

ROLE = """
    SELECT NOT rolcanlogin OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls,
           rolsuper,
           (SELECT CASE WHEN datname = current_database()
                        THEN pg_describe_object(classid, objid, objsubid)
                        ELSE 'something in the database ' || datname END
              FROM pg_shdepend LEFT JOIN pg_database AS database ON database.oid = dbid
             WHERE refclassid = 'pg_authid'::regclass AND refobjid = role.oid AND deptype = 'o'
             LIMIT 1)
      FROM pg_roles AS role WHERE rolname = %s
"""
# What the role's sessions begin with: it may set that itself.
SETTINGS = """
    SELECT datname FROM pg_db_role_setting
      JOIN pg_roles ON pg_roles.oid = setrole LEFT JOIN pg_database ON pg_database.oid = setdatabase
     WHERE rolname = %s AND (setdatabase = 0 OR datname = current_database())
"""
GROUPS = """
    SELECT roleid::regrole::text FROM pg_auth_members
      JOIN pg_roles ON pg_roles.oid = member WHERE rolname = %s
"""
# Of tables, views and sequences, and of their single columns.
GRANTS = """
    SELECT nspname, relname, array_agg(privilege_type)
      FROM (SELECT oid, relacl FROM pg_class
             UNION ALL SELECT attrelid, attacl FROM pg_attribute) AS item (relation, acl)
      JOIN pg_class ON pg_class.oid = relation
      JOIN pg_namespace ON pg_namespace.oid = relnamespace
     CROSS JOIN aclexplode(acl)
      JOIN pg_roles ON pg_roles.oid = grantee
     WHERE rolname = %s GROUP BY nspname, relname
"""
# A role that is still to be made may do what everybody may.
RIGHTS = """
    SELECT has_database_privilege(%(role)s, current_database(), 'CONNECT'),
           has_schema_privilege(%(role)s, 'public', 'USAGE'),
           has_database_privilege(%(role)s, current_database(), 'CREATE, TEMP'),
           ARRAY(SELECT nspname::text FROM pg_namespace
                  WHERE has_schema_privilege(%(role)s, oid, 'CREATE'))
"""


# With these everybody makes large objects, and then fills them.
LARGE_OBJECTS = """
    SELECT oid::regprocedure::text FROM pg_proc
     WHERE pronamespace = 'pg_catalog'::regnamespace
       AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea')
       AND has_function_privilege('public', oid, 'EXECUTE')
"""


class ReaderError(Exception):
    """The role cannot be made what it must be; says what can be done."""


def make_reader() -> None:
    """Makes the role of READER_DATABASE_URL what it must be; raises ReaderError.

    May be run at any time, and by several at once.
    """
    reader = settings.DATABASES[READER]
    role = str(reader["USER"])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('make_reader'))")
        _run(cursor, list(plan_reader(cursor, role)))
        if remaining := list(plan_reader(cursor, role)):
            raise _explain(remaining)  # of what is another's, PostgreSQL only warns
        _close_large_objects(cursor)
        _set_password(cursor, role, str(reader["PASSWORD"]))


def plan_reader(cursor: Any, role: str) -> Iterator[sql.Composed]:
    """The statements that make the role, or change what it is and may; raises ReaderError."""
    name = sql.Identifier(role)
    cursor.execute(ROLE, [role])
    found = cursor.fetchone()
    is_strong, is_superuser, owned = found or (False, False, None)
    if is_superuser or owned:
        what = "is a superuser" if is_superuser else f"owns {owned} (see REASSIGN OWNED)"
        msg = f"{role} {what}: let READER_DATABASE_URL name another role"
        raise ReaderError(msg)
    if found is None:
        yield sql.SQL("CREATE ROLE {} LOGIN").format(name)
    if is_strong:
        weak = "ALTER ROLE {} LOGIN NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        yield sql.SQL(weak).format(name)
    cursor.execute(GROUPS, [role])
    for (group,) in cursor.fetchall():
        yield sql.SQL("REVOKE {} FROM {}").format(sql.SQL(group), name)
    cursor.execute(SETTINGS, [role])
    for (database,) in cursor.fetchall():
        place = (
            sql.SQL(" IN DATABASE {}").format(sql.Identifier(database)) if database else sql.SQL("")
        )
        yield sql.SQL("ALTER ROLE {}{} RESET ALL").format(name, place)
    yield from _plan_rights(cursor, name, role if found else "public")
    yield from _plan_grants(cursor, name, role)


def _plan_rights(cursor: Any, name: sql.Identifier, known: str) -> Iterator[sql.Composed]:
    """To connect, to look into the schema, and to create nothing, not even temporary tables."""
    cursor.execute("SELECT current_database()")
    database = sql.Identifier(*cursor.fetchone())
    cursor.execute(RIGHTS, {"role": known})
    may_connect, may_look, may_create, schemas = cursor.fetchone()
    if not may_connect:
        yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, name)
    if not may_look:
        yield sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name)
    if may_create:
        revoke = "REVOKE CREATE, TEMP ON DATABASE {} FROM PUBLIC, {}"
        yield sql.SQL(revoke).format(database, name)
    for schema in map(sql.Identifier, schemas):
        yield sql.SQL("REVOKE CREATE ON SCHEMA {} FROM PUBLIC, {}").format(schema, name)


def _plan_grants(cursor: Any, name: sql.Identifier, role: str) -> Iterator[sql.Composed]:
    """Partitions are read through their table, without a grant of their own."""
    models = apps.get_app_config("explorer").get_models(include_auto_created=True)
    wanted = {("public", model._meta.db_table): ["SELECT"] for model in models}
    cursor.execute(GRANTS, [role])
    granted = {(schema, table): rights for schema, table, rights in cursor.fetchall()}
    for place, rights in granted.items():
        if rights != wanted.get(place):
            yield sql.SQL("REVOKE ALL ON TABLE {} FROM {}").format(sql.Identifier(*place), name)
    for place, rights in wanted.items():
        if rights != granted.get(place):
            yield sql.SQL("GRANT SELECT ON TABLE {} TO {}").format(sql.Identifier(*place), name)


def _run(cursor: Any, statements: list[sql.Composed]) -> None:
    for statement in statements:
        try:
            with transaction.atomic():
                cursor.execute(statement)
        except DatabaseError as error:
            if isinstance(error.__cause__, InsufficientPrivilege):
                raise _explain(statements) from error
            # Roles are those of all databases, in each of which somebody may be making this one.
            if not isinstance(error.__cause__, DuplicateObject | UniqueViolation):
                raise


def _explain(statements: list[sql.Composed]) -> ReaderError:
    lines = "".join(f"\n{statement.as_string(connection.connection)};" for statement in statements)
    return ReaderError(
        "This needs another role than that of DATABASE_URL. As a superuser, in this database, run"
        f" the following, and give the role the password of READER_DATABASE_URL:{lines}"
    )


def _close_large_objects(cursor: Any) -> None:
    """Left open where the role of DATABASE_URL is no superuser: nothing of ours lies in them."""
    cursor.execute(LARGE_OBJECTS)
    for (function,) in cursor.fetchall():
        with suppress(ProgrammingError), transaction.atomic():
            cursor.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")


def _set_password(cursor: Any, role: str, password: str) -> None:
    """Left as it is where the role was made by somebody else, and only they may change it."""
    if not password:
        return
    # Hashed here, so that no log of statements tells it.
    encrypt = connection.connection.pgconn.encrypt_password
    hashed = encrypt(password.encode(), role.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
        sql.Identifier(role), sql.Literal(hashed)
    )
    with suppress(ProgrammingError), transaction.atomic():
        cursor.execute(statement)
