"""The scripts of the outbox in Redis, to which every writer appends, and which one process at a time takes to the log.

Behind the store's prefix:

    outbox        stream: `<number>-0`, its field `d` the entry
    outbox_holder string that expires: who takes entries to the log
    meta          hash, of which are here: outbox (the last number), log (the id of the log), batch (the last number of
                  the batch that was begun last)

The numbers of entries are times, in microseconds, or one more than the last where that is as late. So a server that
comes back without the last ones that it gave out, or without any, gives out none of them again, which would be taken
for entries that are logged already.

Who holds the outbox may have been stopped for longer than its lease, and go on. That harms nothing: a batch that was
begun has the same entries for whoever takes it, and so the same files.
"""

from hotrow.redis.client import script
from hotrow.stores.redis.script import SAME_STORE

RESERVE = script(
    SAME_STORE
    + """
if tonumber(redis.call('HGET', meta, 'outbox') or '0') < tonumber(ARGV[3]) then
  redis.call('HSET', meta, 'outbox', ARGV[3])
end
return 1
"""
)
"""KEYS: meta. ARGV: id, epoch, number."""

TRIM = script(SAME_STORE + "return redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[3])")
"""Whoever took entries from an older store must not remove those of a newer one. KEYS: meta, outbox. ARGV: id, epoch,
the first entry to stay. Returns how many went.
"""

HOLD = script(
    SAME_STORE
    + """
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[3] and ARGV[5] == '' then return holder end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return ARGV[3]
"""
)
"""KEYS: meta, holder. ARGV: id, epoch, who, for how many ms, empty unless it takes another's place.
Returns who holds the outbox.
"""

RELEASE = script(
    SAME_STORE
    + """
if redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return 1
"""
)
"""KEYS: meta, holder. ARGV: id, epoch, who."""

BEGIN = script(
    SAME_STORE
    + """
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
if not oldest or oldest[1] ~= ARGV[3] .. '-0' then return 0 end
local batch = redis.call('HGET', meta, 'batch')
if batch and tonumber(batch) >= tonumber(ARGV[3]) then return tonumber(batch) end
redis.call('HSET', meta, 'batch', ARGV[4])
return tonumber(ARGV[4])
"""
)
"""KEYS: meta, outbox. ARGV: id, epoch, the numbers of the first and the last entry. Returns the last one of the batch
that begins there, or 0 where none does any more.
"""

CLAIM = script(
    SAME_STORE
    + """
if ARGV[4] == '' and redis.call('HSETNX', meta, 'log', ARGV[3]) == 0 then return redis.call('HGET', meta, 'log') end
redis.call('HSET', meta, 'log', ARGV[3])
return ARGV[3]
"""
)
"""KEYS: meta. ARGV: id, epoch, the log's id, empty unless it takes another's place. Returns the id of the log."""
