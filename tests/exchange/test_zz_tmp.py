import random, time
import asyncpg
from tests.exchange_driver import running
from exchange.journal import _FIRST_BROKEN_ROW, Journal
from exchange.verifier import verify_database, verify_file
from exchange.journal_export import export_journal
OLD="""
SELECT seq FROM (
    SELECT seq, chain, epoch, command, events,
           row_number() OVER (ORDER BY seq) AS number,
           lag(chain, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY seq) AS previous
      FROM exchange.journal WHERE seq <= $1) AS linked
 WHERE seq <> number
    OR chain <> sha256($2::bytea || previous || int8send(seq) || int8send(epoch)
                       || int4send(length(command)) || command
                       || int4send(length(events)) || events)
 ORDER BY seq LIMIT 1
"""
async def test_it(dsn, tmp_path):
    async with running(dsn) as d:
        await d.trade(random.Random(1), 120000, at_once=500)
        n=d.exchange.sequencer.durable_seq
    con=await asyncpg.connect(dsn)
    for q in (OLD,_FIRST_BROKEN_ROW,OLD,_FIRST_BROKEN_ROW):
        t=time.time(); r=await con.fetchval(q,n,b"jingtan-journal-1"); dt=time.time()-t
        print(r, int(n/dt))
    for p in (1,2,1,2):
        t=time.time(); r=await verify_database(dsn,processes=p); dt=time.time()-t
        print("verify",p,r.verified,int(n/dt))
    t=time.time(); await export_journal(dsn,tmp_path/"x"); dt=time.time()-t
    print("export",int(n/dt),(tmp_path/"x").stat().st_size/n)
    t=time.time(); r=verify_file(tmp_path/"x"); dt=time.time()-t
    print("file",r.verified,int(n/dt))
    await con.close()
