"""The scripts that run inside Redis, and the names of its keys.

Behind the store's prefix:

    meta        hash: format, id, epoch, sequence, rows, marks (the last ordinal), outbox (the last number)
    r:<key>     hash, one an entity key: a field a view (its id, 8 bytes) holds the row
    watermarks  hash: view id to microseconds
    schemas     hash: fingerprint to schema
    marks       hash: SHA-256 of a mark's key to `time sequence digest-bytes note-bytes `, digest, note, runs
    mark_order  sorted set: the same names by ordinal, to forget the oldest
    outbox      stream: `<number>-0`, its field `d` the entry

Outcomes are told, and kept, as runs: how many rows were written, then how many were stale, and so on in turn, with
commas between. A script is all or nothing: Redis runs it alone, and for lack of memory refuses its first write or none.
"""

from dataclasses import dataclass

from hotrow.redis.client import script
from hotrow.redis.failure import REFUSED

FORMAT = b"1"
GONE = (
    "the store is not the one that was opened: it was emptied or rebuilt, or the server lost its data; start hotrow "
    "again, and run `hotrow store rebuild` if rows are missing"
)


@dataclass(frozen=True, slots=True)
class Names:
    """The keys of one store."""

    prefix: bytes

    @property
    def meta(self) -> bytes:
        return self.prefix + b"meta"

    @property
    def rows(self) -> bytes:
        """Stands before an entity key."""
        return self.prefix + b"r:"

    @property
    def watermarks(self) -> bytes:
        return self.prefix + b"watermarks"

    @property
    def schemas(self) -> bytes:
        return self.prefix + b"schemas"

    @property
    def marks(self) -> bytes:
        return self.prefix + b"marks"

    @property
    def mark_order(self) -> bytes:
        return self.prefix + b"mark_order"

    @property
    def outbox(self) -> bytes:
        return self.prefix + b"outbox"


SAME_STORE = f"""
local meta = KEYS[1]
local known = redis.call('HMGET', meta, 'id', 'epoch', 'sequence')
if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then
  return redis.error_reply('{REFUSED} {GONE}')
end
"""

CREATE = script("""
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'format', ARGV[1], 'id', ARGV[2], 'epoch', 1, 'sequence', 0, 'rows', 0)
end
return 1
""")
"""KEYS: meta. ARGV: format, id."""

RENEW = script("""
redis.call('HSET', KEYS[1], 'rows', 0)
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HDEL', KEYS[1], 'marks', 'outbox')
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
return 1
""")
"""The next epoch, without anything but rows. KEYS: meta, watermarks, schemas, marks, mark order, outbox."""

COMMIT = """
local marks, order, watermarks, outbox = KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local before = tonumber(known[3])
local now_us, kept_us, most_marks = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local changed, fresh, a, k = false, 0, 7, 6
"""
"""Of a script that writes. KEYS: meta, marks, mark order, watermarks, outbox. ARGV: id, epoch, now, how long and how
many marks are kept, the number of writes; then what comes of each. Where there are no marks `meta` is in their places.
"""

# A version is compared as four numbers: Lua's comparison of strings goes by the locale of the server.
_ROWS = """
local function newer(row, stored)
  local a1, a2, a3, a4 = struct.unpack('>I4I4I4I4', row, 17)
  local b1, b2, b3, b4 = struct.unpack('>I4I4I4I4', stored, 17)
  if a1 ~= b1 then return a1 > b1 end
  if a2 ~= b2 then return a2 > b2 end
  if a3 ~= b3 then return a3 > b3 end
  return a4 > b4
end

local function put_rows(view, rows)
  local runs, run, writing, absent = {}, 0, true, false
  for i = 0, rows - 1 do
    local key, row = KEYS[k + i], ARGV[a + i]
    -- behind a row that was new the next one is, as a rule, and one command does for it
    local wins = absent and redis.call('HSETNX', key, view, row) == 1
    if not wins then
      local stored = redis.call('HGET', key, view)
      absent = not stored
      wins = absent or newer(row, stored)
      if wins then redis.call('HSET', key, view, row) end
    end
    if wins then changed = true end
    if absent then fresh = fresh + 1 end
    if wins ~= writing then
      runs[#runs + 1] = run
      run, writing = 0, wins
    end
    run = run + 1
  end
  runs[#runs + 1] = run
  return table.concat(runs, ',')
end

"""

# Watermarks are compared by their digits where two are one number to Lua, whose numbers are exact up to 2^53.
MARKS = """
local function further(one, other)
  local a, b = tonumber(one), tonumber(other)
  if a ~= b or one == other then return a > b end
  if #one ~= #other then return (#one > #other) == (a > 0) end
  return (one > other) == (a > 0)
end

local function raise_watermark(view, watermark)
  local stored = watermark ~= '' and redis.call('HGET', watermarks, view)
  if watermark == '' or stored and not further(watermark, stored) then return end
  redis.call('HSET', watermarks, view, watermark)
  changed = true
end

local function append(entries, count)
  local number = redis.call('HINCRBY', meta, 'outbox', count) - count
  for i = 1, count do
    redis.call('XADD', outbox, string.format('%.0f-0', number + i), 'd', ARGV[entries + i - 1])
  end
  changed = true
end

local function find(name, digest)
  local kept = redis.call('HGET', marks, name)
  if not kept then return nil end
  local time, sequence, digest_bytes, note_bytes, at = string.match(kept, '^(%-?%d+) (%d+) (%d+) (%d+) ()')
  if now_us - tonumber(time) > kept_us then return nil end
  local note_at = at + tonumber(digest_bytes)
  if string.sub(kept, at, note_at - 1) ~= digest then return {'conflict'} end
  local runs_at = note_at + tonumber(note_bytes)
  return {'replayed', string.sub(kept, runs_at), tonumber(sequence), string.sub(kept, note_at, runs_at - 1)}
end

local function keep(name, digest, note, runs)
  local ordinal = redis.call('HINCRBY', meta, 'marks', 1)
  local head = string.format('%.0f %.0f %d %d ', now_us, before + 1, #digest, #note)
  redis.call('HSET', marks, name, head .. digest .. note .. runs)
  redis.call('ZADD', order, ordinal, name)
  changed = true
end

local function prune()
  local surplus = redis.call('ZCARD', order) - most_marks
  for _ = 1, 256 do
    local oldest = redis.call('ZRANGE', order, 0, 0)[1]
    if not oldest then return end
    if surplus <= 0 then
      local time = string.match(redis.call('HGET', marks, oldest) or '0 ', '^(%-?%d+) ')
      if now_us - tonumber(time) <= kept_us then return end
    end
    redis.call('ZREM', order, oldest)
    redis.call('HDEL', marks, oldest)
    surplus = surplus - 1
  end
end

"""
"""Functions for watermarks, the outbox and the marks."""

_WRITE = """
local replies = {0}
for w = 1, tonumber(ARGV[6]) do
  local view, watermark, name, digest, note = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
  local rows, entries = tonumber(ARGV[a + 5]), tonumber(ARGV[a + 6])
  a = a + 7
  local past = name ~= '' and find(name, digest)
  if past then
    replies[w + 1] = past
  else
    local runs = put_rows(view, rows)
    raise_watermark(view, watermark)
    if entries > 0 then append(a + rows, entries) end
    if name ~= '' then keep(name, digest, note, runs) end
    replies[w + 1] = {'written', runs}
  end
  a, k = a + rows + entries, k + rows
end
if order ~= meta then prune() end
if fresh > 0 then redis.call('HINCRBY', meta, 'rows', fresh) end
replies[1] = changed and redis.call('HINCRBY', meta, 'sequence', 1) or before
return replies
"""

WRITE = script(SAME_STORE + COMMIT + _ROWS + MARKS + _WRITE)
"""KEYS: meta, marks, mark order, watermarks, outbox, then the hash of each row. ARGV: id, epoch, now, how long and how
many marks are kept, the number of writes; then of each write view id, watermark or empty, mark's name or empty, its
digest, its note, the numbers of rows and of entries, the rows, the entries. Returns the sequence, then for each write
'written' and the runs, 'replayed' with runs, sequence and note, or 'conflict'.
"""

REMOVE = script(
    SAME_STORE
    + """
local removed = 0
for i = 2, #KEYS do
  local view, row = ARGV[2 * i - 1], ARGV[2 * i]
  if redis.call('HGET', KEYS[i], view) == row then
    removed = removed + redis.call('HDEL', KEYS[i], view)
  end
end
if removed > 0 then
  redis.call('HINCRBY', meta, 'rows', -removed)
  redis.call('HINCRBY', meta, 'sequence', 1)
end
return removed
"""
)
"""KEYS: meta, then the hash of each row. ARGV: id, epoch, then view id and row of each."""

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
