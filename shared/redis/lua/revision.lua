-- Part of inspect.lua and heal.lua. Summarises a run's hash and the number of its owed threads: every change to the run changes it.

local function revisionOf(run, threads, unsent)
  local fields, flat = {}, redis.call('HGETALL', run)
  for at = 1, #flat, 2 do fields[#fields + 1] = flat[at] .. '=' .. flat[at + 1] end
  table.sort(fields)
  fields[#fields + 1] = redis.call('ZCARD', threads) .. '/' .. redis.call('HLEN', unsent)
  return table.concat(fields, ' ')
end
