"""Roles, and schema exchange: the journal, its lease, the quarantine, snapshots, day anchors.

Invariants that the database holds, whatever the program does:
- a journal row is never changed or deleted: triggers refuse it to the owner and to superusers
  (ENABLE ALWAYS: with session_replication_role = replica too);
- one row of the lease exists, for ever: nobody is granted INSERT or DELETE on it;
- the writer reads and appends, moves the lease, and may delete snapshots only;
- readers and settlement see the journal and the lease, nothing else of this schema.

Roles belong to the whole cluster: they may exist, and another database of the cluster may be
creating them at this moment; so each is made in a transaction of its own, which alone is sure to
see what another database has committed. They cannot log in; the login is made a member.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLES = (
    "jingtan_owner",
    "jingtan_journal_writer",
    "jingtan_settlement",
    "jingtan_identity",
    "jingtan_reader",
)

CREATE_ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- created by another database's migration since the look
END $$
"""

# A superuser may take on every role. Another login has to be a member; since PostgreSQL 16 the
# creator of a role is one without the right to SET ROLE, until it grants itself that too.
GRANT_ROLE = """
DO $$
DECLARE
    needed text;
BEGIN
    needed = CASE WHEN CAST(current_setting('server_version_num') AS integer) >= 160000
                  THEN 'SET' ELSE 'MEMBER' END;
    IF NOT pg_has_role(current_user, '{role}', needed) THEN
        GRANT {role} TO CURRENT_USER;
    END IF;
EXCEPTION WHEN unique_violation THEN
    NULL;  -- granted by another database's migration since the look
END $$
"""

TABLES = (
    """
    CREATE TABLE exchange.journal (
        seq bigint PRIMARY KEY CHECK (seq > 0),
        epoch bigint NOT NULL,
        engine_version text NOT NULL,
        schema_version integer NOT NULL,
        timestamp_ns bigint NOT NULL,
        trading_day integer NOT NULL,
        command bytea NOT NULL,
        events bytea NOT NULL,
        chain bytea NOT NULL CHECK (octet_length(chain) = 32)
    )
    """,
    """
    CREATE TABLE exchange.lease (
        id smallint PRIMARY KEY CHECK (id = 1),
        epoch bigint NOT NULL,
        last_seq bigint NOT NULL,
        last_chain bytea NOT NULL CHECK (octet_length(last_chain) = 32),
        holder text NOT NULL,
        expires_at timestamptz NOT NULL
    ) WITH (fillfactor = 50)
    """,
    """
    INSERT INTO exchange.lease (id, epoch, last_seq, last_chain, holder, expires_at)
        VALUES (1, 0, 0, decode(repeat('00', 32), 'hex'), '', '-infinity')
    """,
    """
    CREATE TABLE exchange.quarantine (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        epoch bigint NOT NULL,
        after_seq bigint NOT NULL,
        scope text NOT NULL,
        request_id text NOT NULL,
        instrument_id text NOT NULL,
        command bytea NOT NULL,
        error text NOT NULL
    )
    """,
    """
    CREATE TABLE exchange.snapshot (
        seq bigint PRIMARY KEY,
        engine_version text NOT NULL,
        schema_version integer NOT NULL,
        chain bytea NOT NULL CHECK (octet_length(chain) = 32),
        digest bytea NOT NULL CHECK (octet_length(digest) = 32),
        state bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE exchange.journal_anchor (
        trading_day integer PRIMARY KEY,
        seq bigint NOT NULL,
        chain bytea NOT NULL CHECK (octet_length(chain) = 32),
        signature bytea NOT NULL,
        public_key bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)

APPEND_ONLY = (
    """
    CREATE FUNCTION exchange.refuse_journal_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% refused: exchange.journal is append-only', TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
        ON exchange.journal
        FOR EACH STATEMENT EXECUTE FUNCTION exchange.refuse_journal_change()
    """,
    "ALTER TABLE exchange.journal ENABLE ALWAYS TRIGGER journal_is_append_only",
)

GRANTS = (
    "GRANT USAGE ON SCHEMA exchange TO jingtan_journal_writer, jingtan_settlement, jingtan_reader",
    """
    GRANT SELECT, INSERT
        ON exchange.journal, exchange.quarantine, exchange.snapshot, exchange.journal_anchor
        TO jingtan_journal_writer
    """,
    "GRANT SELECT, UPDATE ON exchange.lease TO jingtan_journal_writer",
    "GRANT DELETE ON exchange.snapshot TO jingtan_journal_writer",
    "GRANT SELECT ON exchange.journal, exchange.lease TO jingtan_settlement, jingtan_reader",
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for role in ROLES:
            op.execute(CREATE_ROLE.format(role=role))
            op.execute(GRANT_ROLE.format(role=role))
    op.execute("CREATE SCHEMA exchange AUTHORIZATION jingtan_owner")
    op.execute("SET LOCAL ROLE jingtan_owner")
    for statement in (*TABLES, *APPEND_ONLY, *GRANTS):
        op.execute(statement)
    op.execute("RESET ROLE")
