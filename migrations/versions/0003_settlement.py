"""Settlement: the append-only double-entry ledger, DvP instructions, outbox, reconciliation.

The books defend themselves; no code path is trusted:
- a posting and its entries arrive in one statement, complete, and sum to zero per asset;
- balances are kept by the database alone; after each single posting no participant's or house
  balance is below zero, and no external account (the world outside) is above it;
- postings, entries, instructions, their states, and reconciliations are never changed or
  deleted, by nobody: the owner meets the trigger, jingtan_settlement has not even the grant;
- one posting per cause, one final state per instruction, one outbox row per request id.

SQLSTATEs: JT001 unbalanced, JT002 overdrawn, JT003 incomplete posting, JT004 append-only,
JT005 unknown account, JT006 watermark moved backwards.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE settlement.watermark (
        is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
        seq bigint NOT NULL DEFAULT 0,
        trading_day integer NOT NULL DEFAULT 0
    )
    """,
    "INSERT INTO settlement.watermark DEFAULT VALUES",
    """
    CREATE TABLE settlement.account (
        account_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('participant', 'house', 'external')),
        owner text NOT NULL CHECK (owner <> ''),
        asset text NOT NULL CHECK (asset = 'cash' OR asset LIKE 'units:_%'),
        UNIQUE (kind, owner, asset)
    )
    """,
    """
    CREATE TABLE settlement.balance (
        account_id bigint PRIMARY KEY REFERENCES settlement.account,
        kind text NOT NULL,
        amount bigint NOT NULL DEFAULT 0,
        CHECK (CASE kind WHEN 'external' THEN amount <= 0 ELSE amount >= 0 END)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE settlement.posting (
        posting_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        cause text NOT NULL UNIQUE,
        kind text NOT NULL,
        seq bigint NOT NULL,
        trading_day integer NOT NULL,
        timestamp_ns bigint NOT NULL,
        entry_count integer NOT NULL CHECK (entry_count >= 2)
    )
    """,
    """
    CREATE TABLE settlement.entry (
        posting_id bigint NOT NULL,
        account_id bigint NOT NULL,
        amount bigint NOT NULL CHECK (amount <> 0),
        PRIMARY KEY (posting_id, account_id)
    )
    """,
    "CREATE INDEX entry_by_account ON settlement.entry (account_id, posting_id)",
    """
    CREATE TABLE settlement.instruction (
        trade_id bigint PRIMARY KEY,
        seq bigint NOT NULL,
        trading_day integer NOT NULL,
        timestamp_ns bigint NOT NULL,
        instrument_id text NOT NULL,
        series_id text NOT NULL,
        price_ticks bigint NOT NULL,
        quantity bigint NOT NULL CHECK (quantity > 0),
        value_fen bigint NOT NULL CHECK (value_fen >= 0),
        buyer_id text NOT NULL,
        seller_id text NOT NULL,
        buyer_fee_fen bigint NOT NULL CHECK (buyer_fee_fen >= 0),
        seller_fee_fen bigint NOT NULL CHECK (seller_fee_fen >= 0)
    )
    """,
    """
    CREATE TABLE settlement.instruction_state (
        trade_id bigint NOT NULL,
        state text NOT NULL CHECK (state IN ('due', 'reserved', 'posted', 'failed')),
        step smallint NOT NULL GENERATED ALWAYS AS
            (CASE state WHEN 'due' THEN 1 WHEN 'reserved' THEN 2 ELSE 3 END) STORED,
        reason text NOT NULL DEFAULT '',
        posting_id bigint,
        registry_transfer_id bigint,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (trade_id, step),
        CHECK ((state = 'posted') = (posting_id IS NOT NULL)),
        CHECK (state <> 'posted' OR registry_transfer_id IS NOT NULL),
        CHECK ((state = 'failed') = (reason <> ''))
    )
    """,
    """
    CREATE INDEX instruction_failed ON settlement.instruction_state (trade_id)
        WHERE state = 'failed'
    """,
    """
    CREATE TABLE settlement.deposit (
        deposit_id bigint PRIMARY KEY,
        seq bigint NOT NULL,
        participant_id text NOT NULL,
        series_id text NOT NULL,
        quantity bigint NOT NULL CHECK (quantity > 0),
        is_locked boolean NOT NULL,
        refusal text NOT NULL,
        posting_id bigint REFERENCES settlement.posting,
        registry_transfer_id bigint,
        CHECK (is_locked = (posting_id IS NOT NULL)),
        CHECK (NOT is_locked OR registry_transfer_id IS NOT NULL),
        CHECK (is_locked = (refusal = ''))
    )
    """,
    """
    CREATE TABLE settlement.unposted (
        cause text PRIMARY KEY,
        seq bigint NOT NULL,
        reason text NOT NULL CHECK (reason <> '')
    )
    """,
    """
    CREATE TABLE settlement.outbox (
        request_id text PRIMARY KEY,
        seq bigint NOT NULL,
        body text NOT NULL,
        state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'answered', 'refused')),
        reason text NOT NULL DEFAULT '',
        closed_seq bigint,
        CHECK ((state = 'open') = (closed_seq IS NULL)),
        CHECK ((state = 'refused') = (reason <> ''))
    )
    """,
    "CREATE INDEX outbox_open ON settlement.outbox (seq) WHERE state = 'open'",
    """
    CREATE TABLE settlement.reconciliation (
        report_seq bigint PRIMARY KEY,
        trading_day integer NOT NULL,
        state_digest text NOT NULL,
        break_count integer NOT NULL CHECK (break_count >= 0),
        at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    """
    CREATE TABLE settlement.break (
        report_seq bigint NOT NULL REFERENCES settlement.reconciliation,
        number integer NOT NULL CHECK (number >= 1),
        kind text NOT NULL,
        ids jsonb NOT NULL,
        expected bigint NOT NULL,
        actual bigint NOT NULL,
        PRIMARY KEY (report_seq, number)
    )
    """,
)

REFUSE_CHANGE = """
CREATE FUNCTION settlement.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'JT004';
END $$
"""

OPEN_BALANCES = """
CREATE FUNCTION settlement.open_balances() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO settlement.balance (account_id, kind) SELECT account_id, kind FROM added;
    RETURN NULL;
END $$
"""

# EXECUTE plans each statement anew: a plan made for a posting of two entries would be kept for
# one of five thousand.
POST_ENTRIES = """
CREATE FUNCTION settlement.post_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fault record;
BEGIN
    EXECUTE $q$
        SELECT e.posting_id, a.asset, sum(e.amount) AS rest
          FROM added e LEFT JOIN settlement.account a USING (account_id)
         GROUP BY e.posting_id, a.asset HAVING sum(e.amount) <> 0 LIMIT 1
    $q$ INTO fault;
    IF fault.posting_id IS NOT NULL THEN
        RAISE EXCEPTION 'posting % leaves % of %', fault.posting_id, fault.rest, fault.asset
            USING ERRCODE = 'JT001';
    END IF;

    EXECUTE $q$
        SELECT n.posting_id
          FROM (SELECT DISTINCT posting_id FROM added) n
          LEFT JOIN settlement.posting p USING (posting_id)
         WHERE p.entry_count IS DISTINCT FROM
               (SELECT count(*) FROM settlement.entry e WHERE e.posting_id = n.posting_id)
         LIMIT 1
    $q$ INTO fault;
    IF fault.posting_id IS NOT NULL THEN
        RAISE EXCEPTION 'posting % has not the entries it declares', fault.posting_id
            USING ERRCODE = 'JT003';
    END IF;

    BEGIN
        EXECUTE $q$
            WITH running AS (
                SELECT account_id, amount,
                       sum(amount) OVER (PARTITION BY account_id ORDER BY posting_id) AS reached
                  FROM added
            ), moved AS (
                SELECT account_id, sum(amount) AS net, min(reached) AS lowest
                  FROM running GROUP BY account_id
            ), kept AS (
                UPDATE settlement.balance b SET amount = b.amount + m.net
                  FROM moved m WHERE b.account_id = m.account_id
                RETURNING b.account_id, b.kind, b.amount - m.net + m.lowest AS lowest
            )
            SELECT (SELECT count(*) FROM moved) - count(*) AS unknown,
                   min(account_id) FILTER (WHERE kind <> 'external' AND lowest < 0) AS overdrawn
              FROM kept
        $q$ INTO fault;
    EXCEPTION WHEN check_violation THEN
        RAISE EXCEPTION 'overdrawn: %', SQLERRM USING ERRCODE = 'JT002';
    END;
    IF fault.overdrawn IS NOT NULL THEN
        RAISE EXCEPTION 'account % would be overdrawn', fault.overdrawn USING ERRCODE = 'JT002';
    END IF;
    IF fault.unknown <> 0 THEN
        RAISE EXCEPTION '% unknown accounts', fault.unknown USING ERRCODE = 'JT005';
    END IF;
    RETURN NULL;
END $$
"""

REQUIRE_ENTRIES = """
CREATE FUNCTION settlement.require_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fault record;
BEGIN
    EXECUTE $q$
        SELECT posting_id FROM added p
         WHERE NOT EXISTS (SELECT FROM settlement.entry e WHERE e.posting_id = p.posting_id)
         LIMIT 1
    $q$ INTO fault;
    IF fault.posting_id IS NOT NULL THEN
        RAISE EXCEPTION 'posting % has no entries', fault.posting_id USING ERRCODE = 'JT003';
    END IF;
    RETURN NULL;
END $$
"""

# Foreign keys, but checked once per statement instead of once per row.
LINK_STATES = """
CREATE FUNCTION settlement.link_states() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fault record;
BEGIN
    EXECUTE $q$
        SELECT s.trade_id FROM added s
          LEFT JOIN settlement.instruction i USING (trade_id)
          LEFT JOIN settlement.posting p USING (posting_id)
         WHERE i.trade_id IS NULL
            OR s.state = 'posted' AND p.cause IS DISTINCT FROM 'trade:' || s.trade_id
         LIMIT 1
    $q$ INTO fault;
    IF fault.trade_id IS NOT NULL THEN
        RAISE EXCEPTION 'state of trade % has no instruction or not its posting', fault.trade_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$
"""

REFUSE_GOING_BACK = """
CREATE FUNCTION settlement.refuse_going_back() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'watermark moves from % to %', OLD.seq, NEW.seq USING ERRCODE = 'JT006';
END $$
"""

FUNCTIONS = (
    REFUSE_CHANGE,
    OPEN_BALANCES,
    POST_ENTRIES,
    REQUIRE_ENTRIES,
    LINK_STATES,
    REFUSE_GOING_BACK,
)

TRIGGERS = (
    """
    CREATE TRIGGER open_balances AFTER INSERT ON settlement.account
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION settlement.open_balances()
    """,
    """
    CREATE TRIGGER post_entries AFTER INSERT ON settlement.entry
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION settlement.post_entries()
    """,
    """
    CREATE TRIGGER require_entries AFTER INSERT ON settlement.posting
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION settlement.require_entries()
    """,
    """
    CREATE TRIGGER link_states AFTER INSERT ON settlement.instruction_state
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION settlement.link_states()
    """,
    """
    CREATE TRIGGER only_forward BEFORE UPDATE ON settlement.watermark
        FOR EACH ROW WHEN (NEW.seq < OLD.seq)
        EXECUTE FUNCTION settlement.refuse_going_back()
    """,
    """
    CREATE TRIGGER closed_stays_closed BEFORE UPDATE ON settlement.outbox
        FOR EACH ROW WHEN (OLD.state <> 'open')
        EXECUTE FUNCTION settlement.refuse_change()
    """,
    """
    CREATE TRIGGER kept_by_postings BEFORE INSERT OR UPDATE OR DELETE ON settlement.balance
        FOR EACH ROW WHEN (pg_trigger_depth() = 0)
        EXECUTE FUNCTION settlement.refuse_change()
    """,
)

APPEND_ONLY = (
    "account",
    "posting",
    "entry",
    "instruction",
    "instruction_state",
    "deposit",
    "unposted",
    "reconciliation",
    "break",
)
NEVER_DELETED = ("watermark", "outbox", "balance")


GRANTS = (
    "GRANT USAGE ON SCHEMA settlement TO jingtan_settlement, jingtan_reader",
    "GRANT SELECT ON ALL TABLES IN SCHEMA settlement TO jingtan_settlement, jingtan_reader",
    "GRANT UPDATE (seq, trading_day) ON settlement.watermark TO jingtan_settlement",
    "GRANT INSERT (request_id, seq, body), UPDATE (state, reason, closed_seq)"
    " ON settlement.outbox TO jingtan_settlement",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA settlement AUTHORIZATION jingtan_owner")
    op.execute("SET LOCAL ROLE jingtan_owner")
    for statement in (*TABLES, *FUNCTIONS, *TRIGGERS, *GRANTS):
        op.execute(statement)
    for table in APPEND_ONLY:
        _refuse("UPDATE OR DELETE OR TRUNCATE", table)
        op.execute(f"GRANT INSERT ON settlement.{table} TO jingtan_settlement")
    for table in NEVER_DELETED:
        _refuse("DELETE OR TRUNCATE", table)
    op.execute("RESET ROLE")


def _refuse(what: str, table: str) -> None:
    op.execute(
        f"CREATE TRIGGER append_only BEFORE {what} ON settlement.{table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change()"
    )
    op.execute(f"ALTER TABLE settlement.{table} ENABLE ALWAYS TRIGGER append_only")


def downgrade() -> None:
    op.execute("DROP SCHEMA settlement CASCADE")
