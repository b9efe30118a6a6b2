"""Registry: who owns which serials; the final evidence of ownership, in a schema of its own.

A unit block is a range of serials (one serial = one tonne, both ends inclusive) of a series with
one holder and status.  A transfer closes blocks and opens others in one statement; blocks are
never deleted, so the chain of custody of every tonne stays readable.

The registry defends itself: after each statement, every transfer it touched
- closed blocks of the giving holder and status only, and opened exactly the same serials again:
  `quantity` of them for the receiver, the rest for the giver;
- or, as an issue, opened exactly the serials that its series counted up by.
So open blocks of a series never overlap and never lose a tonne: issued = held + locked + frozen
+ surrendered + cancelled, always.  No extension of PostgreSQL is needed for it.

SQLSTATEs: JT004 append-only, JT007 serials not conserved.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE registry.series (
        series_id text PRIMARY KEY CHECK (series_id <> ''),
        last_serial bigint NOT NULL DEFAULT 0 CHECK (last_serial >= 0),
        last_issue bigint NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE registry.account (
        holder text PRIMARY KEY CHECK (holder <> ''),
        opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    """
    CREATE TABLE registry.transfer (
        transfer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        idempotency_key text NOT NULL UNIQUE CHECK (idempotency_key <> ''),
        kind text NOT NULL CHECK (kind IN ('issue', 'lock', 'release', 'transfer')),
        series_id text NOT NULL,
        from_holder text NOT NULL,
        to_holder text NOT NULL,
        quantity bigint NOT NULL CHECK (quantity > 0),
        status text NOT NULL CHECK (status IN ('pending', 'posted', 'refused')),
        reason text NOT NULL DEFAULT '',
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CHECK ((status = 'refused') = (reason <> '')),
        CHECK ((kind = 'issue') = (from_holder = '')),
        CHECK (kind NOT IN ('lock', 'release') OR from_holder = to_holder)
    )
    """,
    """
    CREATE TABLE registry.unit_block (
        opened_by bigint NOT NULL,
        line integer NOT NULL CHECK (line >= 1),
        series_id text NOT NULL,
        serial_from bigint NOT NULL CHECK (serial_from >= 1),
        serial_to bigint NOT NULL,
        holder text NOT NULL,
        status text NOT NULL
            CHECK (status IN ('held', 'locked', 'frozen', 'surrendered', 'cancelled')),
        closed_by bigint,
        PRIMARY KEY (opened_by, line),
        CHECK (serial_to >= serial_from)
    )
    """,
    """
    CREATE INDEX unit_block_open
        ON registry.unit_block (holder, series_id, status, serial_from) WHERE closed_by IS NULL
    """,
    """
    CREATE INDEX unit_block_closed ON registry.unit_block (closed_by)
        WHERE closed_by IS NOT NULL
    """,
)

REFUSE_CHANGE = """
CREATE FUNCTION registry.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'JT004';
END $$
"""

# EXECUTE plans each statement anew: a plan made for one transfer would be kept for a thousand.
CHECK_TRANSFERS = """
CREATE FUNCTION registry.check_transfers(ids bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fault bigint;
BEGIN
    EXECUTE $q$
        SELECT i.id
          FROM unnest($1) AS i(id)
          LEFT JOIN registry.transfer t ON t.transfer_id = i.id
          LEFT JOIN registry.series s ON s.series_id = t.series_id
          CROSS JOIN LATERAL (
            SELECT CASE t.kind WHEN 'lock' THEN 'held' WHEN 'release' THEN 'locked'
                               WHEN 'transfer' THEN 'locked' END AS from_status,
                   CASE t.kind WHEN 'issue' THEN 'held' WHEN 'lock' THEN 'locked'
                               WHEN 'release' THEN 'held' WHEN 'transfer' THEN 'locked'
                   END AS to_status
          ) k
          CROSS JOIN LATERAL (
            SELECT range_agg(int8range(serial_from, serial_to, '[]')) AS serials,
                   sum(serial_to - serial_from + 1) AS tonnes,
                   bool_and(b.series_id = t.series_id AND holder = t.from_holder
                            AND b.status = k.from_status) AS fits
              FROM registry.unit_block b WHERE b.closed_by = i.id
          ) closed
          CROSS JOIN LATERAL (
            SELECT range_agg(int8range(serial_from, serial_to, '[]')) AS serials,
                   sum(serial_to - serial_from + 1) AS tonnes,
                   sum(serial_to - serial_from + 1)
                       FILTER (WHERE holder = t.to_holder AND b.status = k.to_status) AS given,
                   bool_and(b.series_id = t.series_id AND (
                       holder = t.to_holder AND b.status = k.to_status
                       OR holder = t.from_holder AND b.status = k.from_status)) AS fits
              FROM registry.unit_block b WHERE b.opened_by = i.id
          ) opened
         WHERE NOT coalesce(
            CASE t.status
            WHEN 'posted' THEN opened.fits AND opened.given = t.quantity AND
                CASE t.kind WHEN 'issue' THEN closed.serials IS NULL
                    AND s.last_issue = t.transfer_id AND opened.tonnes = t.quantity
                    AND opened.serials = int8multirange(
                        int8range(s.last_serial - t.quantity, s.last_serial, '(]'))
                ELSE closed.fits AND opened.serials = closed.serials
                    AND opened.tonnes = closed.tonnes END
            ELSE opened.serials IS NULL AND closed.serials IS NULL END, false)
         LIMIT 1
    $q$ INTO fault USING ids;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION 'transfer % does not conserve its serials', fault
            USING ERRCODE = 'JT007';
    END IF;
END $$
"""

TOUCHED = {
    "opened_blocks": """
        SELECT array_agg(DISTINCT id) FROM (
            SELECT opened_by AS id FROM added
            UNION ALL SELECT closed_by FROM added WHERE closed_by IS NOT NULL) t
    """,
    "closed_blocks": "SELECT array_agg(DISTINCT closed_by) FROM changed",
    "written_transfers": """
        SELECT array_agg(transfer_id) FROM added a
         WHERE status = 'posted' AND NOT EXISTS (
            SELECT FROM registry.unit_block b WHERE b.opened_by = a.transfer_id)
    """,
    "decided_transfers": "SELECT array_agg(transfer_id) FROM changed",
}

CHECK_ISSUE = """
CREATE FUNCTION registry.check_issue() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.series_id = OLD.series_id AND NEW.last_issue > OLD.last_issue AND EXISTS (
        SELECT FROM registry.transfer t
         WHERE t.transfer_id = NEW.last_issue AND t.kind = 'issue'
           AND t.series_id = NEW.series_id AND t.status = 'posted'
           AND t.quantity = NEW.last_serial - OLD.last_serial) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'series % counts serials without an issue', OLD.series_id
        USING ERRCODE = 'JT007';
END $$
"""

TRIGGERS = (
    """
    CREATE TRIGGER opened_blocks AFTER INSERT ON registry.unit_block
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION registry.opened_blocks()
    """,
    """
    CREATE TRIGGER closed_blocks AFTER UPDATE ON registry.unit_block
        REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION registry.closed_blocks()
    """,
    """
    CREATE TRIGGER written_transfers AFTER INSERT ON registry.transfer
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION registry.written_transfers()
    """,
    """
    CREATE TRIGGER decided_transfers AFTER UPDATE ON registry.transfer
        REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION registry.decided_transfers()
    """,
    """
    CREATE TRIGGER only_closing BEFORE UPDATE ON registry.unit_block
        FOR EACH ROW WHEN (
            OLD.closed_by IS NOT NULL OR NEW.closed_by IS NULL OR
            (OLD.opened_by, OLD.line, OLD.series_id, OLD.serial_from, OLD.serial_to,
             OLD.holder, OLD.status) IS DISTINCT FROM
            (NEW.opened_by, NEW.line, NEW.series_id, NEW.serial_from, NEW.serial_to,
             NEW.holder, NEW.status))
        EXECUTE FUNCTION registry.refuse_change()
    """,
    """
    CREATE TRIGGER only_deciding BEFORE UPDATE ON registry.transfer
        FOR EACH ROW WHEN (
            OLD.status <> 'pending' OR
            (OLD.transfer_id, OLD.idempotency_key, OLD.kind, OLD.series_id, OLD.from_holder,
             OLD.to_holder, OLD.quantity, OLD.at) IS DISTINCT FROM
            (NEW.transfer_id, NEW.idempotency_key, NEW.kind, NEW.series_id, NEW.from_holder,
             NEW.to_holder, NEW.quantity, NEW.at))
        EXECUTE FUNCTION registry.refuse_change()
    """,
    """
    CREATE TRIGGER only_issues AFTER UPDATE ON registry.series
        FOR EACH ROW EXECUTE FUNCTION registry.check_issue()
    """,
)

GRANTS = (
    "GRANT USAGE ON SCHEMA registry TO jingtan_settlement, jingtan_reader",
    "GRANT SELECT ON ALL TABLES IN SCHEMA registry TO jingtan_settlement, jingtan_reader",
    "GRANT INSERT (series_id), UPDATE (last_serial, last_issue) ON registry.series"
    " TO jingtan_settlement",
    "GRANT INSERT ON registry.account, registry.transfer, registry.unit_block"
    " TO jingtan_settlement",
    "GRANT UPDATE (closed_by) ON registry.unit_block TO jingtan_settlement",
    "GRANT UPDATE (status, reason) ON registry.transfer TO jingtan_settlement",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA registry AUTHORIZATION jingtan_owner")
    op.execute("SET LOCAL ROLE jingtan_owner")
    for statement in (*TABLES, REFUSE_CHANGE, CHECK_TRANSFERS, CHECK_ISSUE):
        op.execute(statement)
    for name, query in TOUCHED.items():
        op.execute(_checking(name, query))
    for statement in (*TRIGGERS, *GRANTS):
        op.execute(statement)
    for table in ("series", "account", "transfer", "unit_block"):
        op.execute(
            f"CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON registry.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION registry.refuse_change()"
        )
        op.execute(f"ALTER TABLE registry.{table} ENABLE ALWAYS TRIGGER never_deleted")
    op.execute("RESET ROLE")


def _checking(name: str, query: str) -> str:
    return f"""
        CREATE FUNCTION registry.{name}() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            ids bigint[];
        BEGIN
            EXECUTE $q$ {query} $q$ INTO ids;
            PERFORM registry.check_transfers(ids);
            RETURN NULL;
        END $$
    """


def downgrade() -> None:
    op.execute("DROP SCHEMA registry CASCADE")
