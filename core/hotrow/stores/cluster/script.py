"""The scripts of a store on a cluster, beside those that it shares with a store on one server.

A commit claims its marks and appends to the outbox in the root, writes the rows partition by partition, and finishes in
the root: see `hotrow.stores.cluster.write`. A mark that is claimed and not finished has no runs.
"""

from hotrow.redis.client import script
from hotrow.stores.redis.script import COMMIT, MARKS, SAME_STORE

CLAIM = script(
    SAME_STORE
    + COMMIT
    + MARKS
    + """
local replies = {}
for w = 1, tonumber(ARGV[6]) do
  local name, digest, note, entries, from = ARGV[a], ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3]), ARGV[a + 4]
  a = a + 5
  local past = name ~= '' and find(name, digest)
  if past then
    replies[w] = past
  else
    if entries > 0 then append(a, entries, from) end
    if name ~= '' then keep(name, digest, note, '') end
    replies[w] = {'new'}
  end
  a = a + entries
end
prune()
return replies
"""
)
"""KEYS and ARGV as `COMMIT` says; then of each write mark's name or empty, digest, note, the number of entries, that
of the first one or empty, the entries. Returns for each 'new', 'replayed' with runs, which are empty for one that was
not finished, sequence and note, or 'conflict'.
"""

FINISH = script(
    SAME_STORE
    + COMMIT
    + MARKS
    + """
changed = ARGV[7] == '1'
a = 8
local replies = {0}
for w = 1, tonumber(ARGV[6]) do
  local view, watermark, name, digest, note, runs = unpack(ARGV, a, a + 5)
  a = a + 6
  raise_watermark(view, watermark)
  local past = name ~= '' and find(name, digest)
  if past and past[2] ~= '' then
    replies[w + 1] = past
  else
    if name ~= '' then keep(name, digest, note, runs) end
    replies[w + 1] = {'written'}
  end
end
replies[1] = changed and redis.call('HINCRBY', meta, 'sequence', 1) or before
return replies
"""
)
"""KEYS and ARGV as `COMMIT` says; then 1 where rows or the outbox have changed, else 0, and of each write view id,
watermark or empty, mark's name or empty, digest, note, and runs. Returns the sequence, then for each write 'written',
or what another has finished in the meantime, as `CLAIM`.
"""

ADOPT = script("""
local known = redis.call('HMGET', KEYS[1], 'id', 'epoch')
if known[1] == ARGV[1] and known[2] == ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'epoch', ARGV[2])
redis.call('HSETNX', KEYS[1], 'sequence', 0)
redis.call('HSETNX', KEYS[1], 'rows', 0)
return 1
""")
"""Make a partition one of the store. KEYS: its meta. ARGV: id, epoch. Returns whether it was not."""

RENEW_PARTITION = script("""
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'epoch', ARGV[2], 'sequence', 0, 'rows', 0)
redis.call('HDEL', KEYS[1], 'marks')
redis.call('UNLINK', KEYS[2], KEYS[3])
return 1
""")
"""The next epoch, without marks. KEYS: meta, marks, mark order. ARGV: id, epoch."""
