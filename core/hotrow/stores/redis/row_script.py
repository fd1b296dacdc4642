"""The part of a script that writes rows: which of them win, and when their keys are to go.

A version is compared as four numbers: Lua's comparison of strings goes by the locale of the server.

A key whose expiry would move by less than a minute keeps it: a day of grace is in it, and an entity that is pushed to
all the time costs a command less. It is set as what is left, for the server's clock may differ from the worker's.

The row is set first: a server that is full refuses that, but not a command that needs no memory, and nothing after it.

A key of which a row stays for ever must not expire. To say so of every key is a fifth of what new rows cost: where the
server has as many keys more as rows are new, so are their keys, and none of these has an expiry.
"""

ROWS = """
local function newer(row, stored)
  local a1, a2, a3, a4 = struct.unpack('>I4I4I4I4', row, 17)
  local b1, b2, b3, b4 = struct.unpack('>I4I4I4I4', stored, 17)
  if a1 ~= b1 then return a1 > b1 end
  if a2 ~= b2 then return a2 > b2 end
  if a3 ~= b3 then return a3 > b3 end
  return a4 > b4
end

-- `left_ms` was left before the row was written: a key that stays for ever, or for longer, stays so
local function expire(key, row, kept_ms, left_ms)
  if left_ms == -1 then return end
  local wanted_ms = kept_ms
  local high, low = struct.unpack('>I4I4', row, 17)
  if high > now_high or high == now_high and low > now_low then
    local ahead_us = (high - now_high) * 4294967296 + low - now_low
    wanted_ms = string.format('%.0f', kept_ms + math.ceil(ahead_us / 1000))
  end
  if left_ms < 0 or left_ms + 60000 < tonumber(wanted_ms) then call('PEXPIRE', key, wanted_ms) end
end

-- of the keys from `first` on those whose rows were written
local function persist(runs, first)
  for place, run in ipairs(runs) do
    if place % 2 == 1 then
      for i = first, first + run - 1 do call('PERSIST', KEYS[i]) end
    end
    first = first + run
  end
end

local function put_rows(view, rows, kept_ms)
  local runs, run, writing, absent, fresh_before = {}, 0, true, false, fresh
  local keys_before = kept_ms == '' and rows > 8 and call('DBSIZE')
  for i = 0, rows - 1 do
    local key, row = KEYS[k + i], ARGV[a + i]
    local left_ms = kept_ms ~= '' and call('PTTL', key)
    -- behind a row that was new the next one is, as a rule, and one command does for it
    absent = absent or left_ms == -2
    local wins = absent and call('HSETNX', key, view, row) == 1
    if not wins then
      local stored = call('HGET', key, view)
      absent = not stored
      wins = absent or newer(row, stored)
      if wins then call('HSET', key, view, row) end
    end
    if wins then
      changed = true
      if left_ms then
        expire(key, row, kept_ms, left_ms)
      elseif not absent then
        call('PERSIST', key)
      end
    end
    if absent then fresh = fresh + 1 end
    if wins ~= writing then
      runs[#runs + 1] = run
      run, writing = 0, wins
    end
    run = run + 1
  end
  runs[#runs + 1] = run
  local new = kept_ms == '' and fresh - fresh_before or 0
  if new > 0 and not (keys_before and call('DBSIZE') - keys_before == new) then persist(runs, k) end
  return table.concat(runs, ',')
end

"""
"""Behind `hotrow.stores.redis.script.COMMIT`, whose variables it uses."""
