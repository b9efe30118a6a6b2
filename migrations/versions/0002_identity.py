"""Schema identity: people, sessions, and the append-only audit trail.

Only jingtan_identity reads or writes here. It cannot delete a person nor touch a written audit
entry; the audit table's triggers refuse that to its owner and to superusers too (ENABLE ALWAYS:
also with session_replication_role = replica). Taking the triggers off is a schema change, which the
chain outlives.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE identity.person (
        person_id text PRIMARY KEY CHECK (person_id ~ '^p-[a-z2-7]{12}$'),
        login text NOT NULL UNIQUE CHECK (login ~ '^[a-z][a-z0-9._@-]{2,63}$'),
        display_name text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 80),
        password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
        password_version integer NOT NULL CHECK (password_version > 0),
        must_change_password boolean NOT NULL,
        disabled_at timestamptz,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE identity.session (
        token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
        person_id text NOT NULL REFERENCES identity.person,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
        revoked_at timestamptz,
        last_address text NOT NULL CHECK (char_length(last_address) <= 64)
    )
    """,
    "CREATE INDEX ix_identity_session_person_id ON identity.session (person_id)",
    "CREATE INDEX ix_identity_session_expires_at ON identity.session (expires_at)",
    """
    CREATE TABLE identity.audit (
        seq bigint PRIMARY KEY CHECK (seq > 0),
        at timestamptz NOT NULL CHECK (isfinite(at)),
        actor_person_id text NOT NULL CHECK (actor_person_id <> ''),
        action text NOT NULL CHECK (action <> ''),
        subject text NOT NULL CHECK (subject <> ''),
        detail jsonb NOT NULL CHECK (jsonb_typeof(detail) = 'object'),
        chain bytea NOT NULL CHECK (octet_length(chain) = 32)
    )
    """,
    """
    CREATE FUNCTION identity.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% refused: identity.audit is append-only', TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON identity.audit
        FOR EACH STATEMENT EXECUTE FUNCTION identity.refuse_audit_change()
    """,
    """
    CREATE FUNCTION identity.require_next_audit_seq() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM identity.audit) THEN
            RAISE EXCEPTION 'identity.audit entry % does not follow the last one', NEW.seq
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER audit_has_no_gap BEFORE INSERT ON identity.audit
        FOR EACH ROW EXECUTE FUNCTION identity.require_next_audit_seq()
    """,
    "ALTER TABLE identity.audit ENABLE ALWAYS TRIGGER audit_is_append_only",
    "ALTER TABLE identity.audit ENABLE ALWAYS TRIGGER audit_has_no_gap",
    "GRANT USAGE ON SCHEMA identity TO jingtan_identity",
    "GRANT SELECT, INSERT, UPDATE ON identity.person TO jingtan_identity",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON identity.session TO jingtan_identity",
    "GRANT SELECT, INSERT ON identity.audit TO jingtan_identity",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA identity AUTHORIZATION jingtan_owner")
    op.execute("SET LOCAL ROLE jingtan_owner")
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute("RESET ROLE")
