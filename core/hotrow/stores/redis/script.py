"""The scripts that run inside Redis, and the names of its keys.

Behind the store's prefix:

    meta        hash: format, id, epoch, identity (both), project, sequence, rows, marks (the last ordinal), and of the
                outbox
    r:<key>     hash, one an entity key: a field a view (its id, 8 bytes) holds the row
    watermarks  hash: view id to microseconds
    schemas     hash: fingerprint to schema
    marks       hash: SHA-256 of a mark's key to `time sequence digest-bytes note-bytes `, digest, note, runs
    mark_order  sorted set: the same names by ordinal, to forget the oldest
    outbox      and outbox_holder: see `hotrow.stores.redis.outbox`

Outcomes are told, and kept, as runs: how many rows were written, then how many were stale, and so on in turn, with
commas between. A script is all or nothing: Redis runs it alone, and for lack of memory refuses its first write or none.
"""

from dataclasses import dataclass

from hotrow.redis.client import script
from hotrow.redis.failure import REFUSED
from hotrow.stores.redis.row_script import ROWS

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

    @property
    def outbox_holder(self) -> bytes:
        return self.prefix + b"outbox_holder"


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
local id, epoch = unpack(redis.call('HMGET', KEYS[1], 'id', 'epoch'))
if id and epoch then redis.call('HSETNX', KEYS[1], 'identity', id .. ':' .. epoch) end
if ARGV[3] ~= '' then redis.call('HSETNX', KEYS[1], 'project', ARGV[3]) end
return 1
""")
"""KEYS: meta. ARGV: format, id, project or empty. The identity is a field that is read as rows are, by a name of 8
bytes.
"""

RENEW = script("""
redis.call('HSET', KEYS[1], 'rows', 0)
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'identity', redis.call('HGET', KEYS[1], 'id') .. ':' .. epoch)
redis.call('HDEL', KEYS[1], 'marks')
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
return 1
""")
"""The next epoch, without anything but rows; no number of the outbox is given out again. KEYS: meta, watermarks,
schemas, marks, mark order, outbox.
"""

COMMIT = """
local KEYS, ARGV, call = KEYS, ARGV, redis.call  -- a global is looked up every time
local marks, order, watermarks, outbox = KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local before = tonumber(known[3])
local now_us, kept_us, most_marks = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now_high, now_low = math.floor(now_us / 4294967296) + 2147483648, now_us % 4294967296
local changed, fresh, a, k = false, 0, 7, 6
"""
"""Of a script that writes. KEYS: meta, marks, mark order, watermarks, outbox. ARGV: id, epoch, now, how long and how
many marks are kept, the number of writes; then what comes of each. Where there are no marks `meta` is in their places.
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

local function append(entries, count, from)
  local last = tonumber(redis.call('HGET', meta, 'outbox') or '0')
  local number = math.max(last, from == '' and now_us or tonumber(from) - 1)
  for i = 1, count do
    redis.call('XADD', outbox, string.format('%.0f-0', number + i), 'd', ARGV[entries + i - 1])
  end
  redis.call('HSET', meta, 'outbox', string.format('%.0f', number + count))
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
  local kept_ms, rows, entries = ARGV[a + 5], tonumber(ARGV[a + 6]), tonumber(ARGV[a + 7])
  local from = ARGV[a + 8]
  a = a + 9
  local past = name ~= '' and find(name, digest)
  if past then
    replies[w + 1] = past
  else
    local runs = put_rows(view, rows, kept_ms)
    raise_watermark(view, watermark)
    if entries > 0 then append(a + rows, entries, from) end
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

WRITE = script(SAME_STORE + COMMIT + ROWS + MARKS + _WRITE)
"""KEYS: meta, marks, mark order, watermarks, outbox, then the hash of each row. ARGV: id, epoch, now, how long and how
many marks are kept, the number of writes; then of each write view id, watermark or empty, mark's name or empty, its
digest, its note, for how many ms rows are kept or empty, the numbers of rows and of entries, the number
of the first entry or empty, the rows, the entries. Returns the sequence, then for each write 'written' and the runs,
'replayed' with runs, sequence and note, or 'conflict'.
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

CORRECT = script(SAME_STORE + "return redis.call('HINCRBY', meta, 'rows', ARGV[3])")
"""KEYS: meta. ARGV: id, epoch, by how much the number of rows changes."""
